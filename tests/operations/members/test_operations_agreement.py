"""The agreement is amended after the first charge: typed as administrators and analysts do, with real nodes."""

import json
import shutil

import pytest

from federation.client.connect import connect
from federation.consortium.consortium_file import load_consortium
from tests.cli.conftest import crossward, make_folder
from tests.operations.members.test_operations_member_renewal import members_file, private
from tests.operations.members.test_operations_members import approve, done, newcomer
from tests.operations.operations_world import SITES, ask, asked, kinds, ledger, running, whole

TERMS = """
minimum_cell = 12
floor = { exact_requests_per_analyst = 30 }

[tables.visits]
exact_dimensions = ["sex", "hidden", "smoker"]

[tables.visits.columns]
smoker = { type = "boolean" }
age = { type = "numeric", lower = 0, upper = 130, resolution = 1, bins = [0, 40, 60, 120, 130] }
"""
WITH_SMOKER = "as_number(age) > 50 AS smoker, "
BY_SMOKER = "SELECT smoker, COUNT(*) AS n FROM visits GROUP BY smoker"


def give(folders, *sites):
    """The administrators' views give the new column; a node of the earlier agreement does not look at it."""
    for site in sites:
        path = folders.site(site)
        path.write_text(path.read_text().replace("SELECT age, ", f"SELECT age, {WITH_SMOKER}"))


def proposed(folders, path, terms=TERMS, name="smoker"):
    file, out = path / f"{name}.toml", path / f"{name}.json"
    file.write_text(terms)
    said = done("ledger", "propose", "change-agreement", folders.site("anna"), "--terms", file, "--out", out)
    return out, said


@pytest.mark.slow
def test_a_column_wider_bounds_and_a_minimum_cell_are_amended_and_no_answer_is_free_from_the_store_then(
    tmp_path,
):
    folders = make_folder(tmp_path / "here", analysts=("ada",))
    elsewhere = newcomer(folders, tmp_path / "ada")
    shutil.copytree(folders.root / "analysts", elsewhere / "analysts")
    with running(folders):
        asked(folders)
        paid = private(folders)
        assert private(folders)["receipt"]["from_store"]["free"]
        file = tmp_path / "early.toml"
        file.write_text(TERMS)
        early = ("propose", "change-agreement", folders.site("anna"), "--terms", file, "--out")
        ran = ledger(*early, tmp_path / "early.json")
        assert "column smoker: is missing from the site's view" in ran.err
        give(folders, "anna", "carl")
        amendment, said = proposed(folders, tmp_path)
        for words in (
            "visits: column smoker added: boolean",
            "visits: column age: bounds widened from 0 to 120 into 0 to 130",
            "minimum_cell changed from 10 to 12",
            "policy floor: exact_requests_per_analyst from no limit to 30; stricter",
            "stricter: exact answers show no group below 12",
            "looked at: this site's data give every table and column of it",
        ):
            assert words in said.replace("checked:", "looked at:"), said
        approve(folders, amendment, "anna", "carl")
        ran = ledger("approve", folders.site("bert"), amendment)
        assert ran.code != 0
        assert "column smoker: is missing from the site's view" in ran.err  # named to this administrator
        ran = ledger("apply", amendment, "-c", folders.consortium)
        assert ran.code == 3
        assert "bert" in ran.err
        asked(folders)  # nothing was changed
        give(folders, "bert")
        approve(folders, amendment, "bert")
        with connect(folders.consortium) as old:
            assert "restart the nodes of all sites" in done(
                "ledger", "apply", amendment, "-c", folders.consortium
            )
            assert "smoker" not in old.tables["visits"].columns
            ran = ask(folders)
            assert ran.code != 0
            assert "changed the agreement: restart this node with it" in ran.err
            again = ledger("apply", amendment, "-c", folders.consortium)
            assert "out of date" in again.err
    before = load_consortium(elsewhere)
    with running(folders):
        with pytest.raises(Exception, match="entry 4 of the ledger changed it; open a new session"):
            old_session(folders, elsewhere).sql(BY_SMOKER.replace("smoker", "sex"), epsilon=0.1)
        ran = crossward("schema", "-c", elsewhere, "--json")
        assert "smoker" not in ran.out
        with connect(elsewhere) as session:  # fetches it, and keeps it
            assert session.tables["visits"].columns["age"].upper == 130
            answer = session.sql(BY_SMOKER, exact=True)
            rows = answer.rows
            assert answer.receipt["exact_requests"]["of"] == 30  # 50 in the site files
        assert [row[0] for row in rows] == [False, True]
        assert sum(row[1] for row in rows) == 909
        assert json.loads((elsewhere / "members.json").read_text())["entries"]
        assert "smoker" in crossward("schema", "-c", elsewhere, "--json").out
        fresh = private(folders)
        assert "from_store" not in fresh["receipt"]  # an earlier release is neither reused nor combined
        assert fresh["receipt"]["number"] > paid["receipt"]["number"]
    after = load_consortium(elsewhere)
    assert (after.digest(), after.schema != before.schema) == (before.digest(), True)
    assert after.configuration() != before.configuration() == before.digest()
    members_file(folders, 1)
    assert "agreement" in kinds(folders.ledger("bert"))
    whole(*(folders.ledger(site) for site in SITES))


def old_session(folders, elsewhere):
    """A session that was opened before: it has the files alone."""
    from federation.client.connect import caller_of, session_of

    return session_of(*caller_of(elsewhere, None))
