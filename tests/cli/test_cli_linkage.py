"""Linkage between node processes over TLS, from the command line: once, kept over a restart, then a table by columns."""

import json

import pytest

import federation
from federation.processes.launcher import Launcher
from federation.setup.create import create_consortium
from federation.setup.settings import SiteSetup, TableSetup
from tests.cli.conftest import crossward
from tests.setup.setup_world import make_terms

pytestmark = pytest.mark.slow

SCHEMA = """
[tables.patients]
population = "visits"
privacy_unit = "pid"
rows_max = 300
exact_dimensions = ["ill", "sex"]
link_form = ["casefold", "no_blanks"]

[tables.patients.columns]
pid = { type = "identifier" }
ill = { type = "boolean" }
sex = { type = "categorical", domain = ["f", "m"] }
"""


def rows(numbers, spelling, *, ill=True, sex=True):
    lines = [
        f"{spelling.format(n)},{str(ill and n % 3 == 0).lower()},{'f' if sex and n % 2 else 'm'}"
        for n in numbers
    ]
    return "pid,ill,sex\n" + "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    texts = {
        "anna": rows(range(200), "P {}", sex=False),
        "bert": rows(range(299, 100, -1), "p{}", ill=False),
        "carl": rows(range(20), "p{}"),
    }
    sites = {}
    for name, text in texts.items():
        (data / f"{name}.csv").write_text(text)
        sites[name] = SiteSetup(
            tables={"patients": TableSetup(source=str(data / f"{name}.csv"))},
            policy={
                "exact": True,
                "exact_vertical": True,
                "linkage": [site for site in texts if site != name],
            },
            engine="numpy",
        )
    return create_consortium(
        tmp_path_factory.mktemp("cli") / "here", terms=make_terms(schema=SCHEMA, deadline_s="4"), sites=sites
    )


def test_cli_two_sites_link_once_and_a_table_of_their_columns_follows(hospital):
    with Launcher(hospital):
        shown = crossward("link", "-c", hospital.consortium, "anna", "bert", "--exact", "--explain")
        assert (shown.code, shown.err) == (0, "")
        assert "opened to bert: which of its own patients the other has" in shown.out
        ran = crossward("link", "-c", hospital.consortium, "bert", "anna", "--exact", "--json")
        assert (ran.code, ran.err) == (0, "")
        assert json.loads(ran.out)["count"] == 99
        few = crossward("link", "-c", hospital.consortium, "bert", "carl", "--exact")
        assert few.code == 0
        assert "share fewer than" in few.out
        for wrong in (["anna"], ["anna", "anna"], ["anna", "bert", "--learns", "all"]):
            assert crossward("link", "-c", hospital.consortium, *wrong, "--exact").code == 2
        assert crossward("link", "-c", hospital.consortium, "anna", "bert").code == 2
    with Launcher(hospital):  # after a restart of every node
        again = crossward("link", "-c", hospital.consortium, "anna", "bert", "--exact")
        assert again.code != 0
        assert "one linkage a pair and table version" in again.err
        with federation.connect(hospital.consortium) as session:
            at = {"ill": "anna", "sex": "bert"}
            found = session.table("patients").linked(at).crosstab("ill", "sex", exact=True)
    numbers = range(101, 200)
    cells = [
        sum((n % 3 == 0) == ill and (n % 2 == 1) == sex for n in numbers) for ill in (0, 1) for sex in (1, 0)
    ]
    assert list(found.counts) == cells
