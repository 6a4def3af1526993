"""Another version of a table is declared: earlier answers are not used again, and no node answers with the rows that it read."""

import pytest

from privacy_accounting.audit.chain_reader import open_file
from privacy_accounting.audit.statement import statement_of
from tests.cli.conftest import make_folder
from tests.operations.members.test_operations_member_renewal import private
from tests.operations.members.test_operations_members import approve, done
from tests.operations.operations_world import SITES, ask, asked, ledger, running, whole


@pytest.mark.slow
def test_an_answer_that_was_free_from_the_store_is_paid_for_after_a_new_version(tmp_path):
    folders = make_folder(tmp_path / "here", analysts=("ada",))
    amendment = tmp_path / "rows.json"
    with running(folders):
        paid, free = private(folders), private(folders)
        assert free["receipt"]["from_store"]["free"]
        assert free["rows"] == paid["rows"]
        declare = ("propose", "table-version", folders.site("anna"), "--out", amendment)
        ran = ledger(*declare, "--table", "visit", "--version", "2")
        assert "there is no table visit; the schema has visits" in ran.err
        said = done("ledger", *declare, "--table", "visits", "--version", "2")
        assert "declare version 2 of table visits" in said
        assert "now: version 1" in said
        approve(folders, amendment, "anna", "carl")
        ran = ledger("apply", amendment, "-c", folders.consortium)
        assert ran.code == 3
        assert "bert" in ran.err
        assert private(folders)["receipt"]["from_store"]["free"]  # nothing was changed
        approve(folders, amendment, "bert")
        assert "restart the nodes of all sites with the new rows" in done(
            "ledger", "apply", amendment, "-c", folders.consortium
        )
        ran = ask(folders)
        assert ran.code != 0
        assert "table visits has version 2 by the ledger: restart this node with those rows" in ran.err
        again = ledger(*declare[:3], "--out", tmp_path / "x.json", "--table", "visits", "--version", "2")
        assert "table visits has version 2 already" in again.err
    with running(folders):
        asked(folders)
        fresh = private(folders)
        assert "from_store" not in fresh["receipt"]  # nor is it combined with the earlier release
        assert fresh["receipt"]["number"] > paid["receipt"]["number"]
        free = private(folders)["receipt"]["from_store"]
        assert [each["number"] for each in free["releases"]] == [fresh["receipt"]["number"]]
    store = open_file(folders.ledger("bert"))
    remarks = [line.remark for line in statement_of(store).lines if line.kind == "table"]
    store.close()
    assert remarks == ["table visits: version 2 from here on"]
    whole(*(folders.ledger(site) for site in SITES))
