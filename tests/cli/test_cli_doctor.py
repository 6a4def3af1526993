"""The doctor command interprets every reply of a node."""

import time
from types import SimpleNamespace

import msgspec
import pytest

from federation.diagnostics.checks import examine_files, examine_nodes
from federation.node.clock import installed_version
from federation.protocol.messages import Health
from federation.setup.create import create_consortium
from federation.setup.settings import SiteSetup, TableSetup
from smpc.errors import PartyLostError
from tests.setup.setup_world import make_terms

DIGEST = "ab" * 32


def health(name, **changes):
    good = Health(
        name=name,
        role="site",
        version=installed_version(),
        configuration=DIGEST,
        clock_s=int(time.time()),
        is_ready=True,
        reason="",
        engine="crypten",
        ledger_number=4,
        ledger_head="cd" * 32,
        hears={other: True for other in ("anna", "bert", "carl") if other != name},
    )
    return msgspec.structs.replace(good, **changes)


def examined(asker="ada", **changes):
    answers = {name: health(name) for name in ("anna", "bert", "carl")}
    for name, change in changes.items():
        answers[name] = change if isinstance(change, Exception) else health(name, **change)
    session = SimpleNamespace(
        consortium=SimpleNamespace(digest=lambda: DIGEST, configuration=lambda: DIGEST),
        health=lambda: answers,
        left_out=lambda: ("dora",),
        analyst=asker,
    )
    return examine_nodes(session)


def mends(**changes):
    return {finding.what: finding.text for finding in examined(**changes) if not finding.is_good}


def test_cli_doctor_is_content_with_equal_ready_nodes():
    assert mends() == {}
    assert any("equal, 5 entries" in finding.text for finding in examined())


@pytest.mark.parametrize(
    ("change", "what", "said"),
    [
        ({"configuration": "00" * 32}, "node bert", "another consortium file"),
        ({"version": "0.0.1"}, "node bert", "version 0.0.1"),
        ({"is_ready": False, "reason": "still reading"}, "node bert", "still reading"),
        ({"clock_s": int(time.time()) + 3600}, "clock of bert", "set it"),
        ({"clock_s": 0}, "clock of bert", "set it"),
        ({"hears": {"anna": True, "carl": False}}, "connection bert to carl", "firewalls"),
        ({"ledger_head": "ef" * 32}, "ledgers", "different entries 4"),
        (PartyLostError(name="bert"), "node bert", "start it"),
    ],
)
def test_cli_doctor_names_the_node_and_the_remedy(change, what, said):
    found = mends(bert=change)
    assert set(found) == {what}
    assert said in found[what]


def test_cli_doctor_hears_of_the_asking_node_from_the_others():
    lost = PartyLostError(name="bert")
    assert mends(asker="bert", bert=lost) == {}
    alone = {"hears": {"bert": False, "carl": True}}
    deaf = mends(asker="bert", bert=lost, anna=alone, carl={"hears": {"anna": True, "bert": False}})
    assert "start it" in deaf["node bert"]


def test_cli_doctor_calls_a_fork_a_fork_and_behind_behind():
    assert "anna, carl and bert" in mends(bert={"ledger_head": "00" * 32})["ledgers"]
    late = examined(bert={"ledger_number": 2, "ledger_head": "11" * 32})
    ledgers = next(finding for finding in late if finding.what == "ledgers")
    assert ledgers.is_good
    assert "bert lacks entries" in ledgers.text
    gone = {name: PartyLostError(name=name) for name in ("anna", "bert", "carl")}
    assert "no site answers" in mends(**gone)["ledgers"]


MARKED = """
[tables.visits]
privacy_unit = "row"
rows_max = 1000
guessed = ["rows_max"]

[tables.visits.columns]
age = { type = "numeric", lower = 0, upper = 120, resolution = 1 }
sex = { type = "categorical", domain = ["F", "M"] }
"""


@pytest.fixture(scope="module")
def site_file(tmp_path_factory):
    """A site whose file has codes at two of three places where the schema has letters."""
    folder = tmp_path_factory.mktemp("doctor")
    rows = "".join(f"{40 + n},{'F' if n % 3 == 0 else n % 2}\n" for n in range(30))
    (folder / "here.csv").write_text("age,sex\n" + rows)
    setup = SiteSetup(tables={"visits": TableSetup(source=folder / "here.csv")})
    made = create_consortium(
        folder / "made",
        terms=make_terms(schema=MARKED, helpers=()),
        sites={"anna": setup, "bert": setup, "carl": setup},
    )
    return made.site("bert")


def examined_files(site_file):
    return {
        (finding.is_good, finding.what, finding.text)
        for finding in examine_files(site_file.parents[2] / "consortium.toml", site_file)
    }


def test_cli_doctor_names_the_line_of_the_schema_that_waits_for_a_person(site_file):
    [text] = [
        text
        for is_good, what, text in examined_files(site_file)
        if what == "schema of visits" and not is_good
    ]
    assert 'delete the line guessed = ["rows_max"] under [tables.visits]' in text


def test_cli_doctor_reports_a_column_that_most_values_do_not_fit(site_file):
    [(is_good, text)] = {
        (is_good, text) for is_good, what, text in examined_files(site_file) if what == "data"
    }
    assert not is_good
    assert text.startswith(
        "here.csv, column sex: more than half of its values are not in the domain: correct"
    )


def test_cli_doctor_keeps_to_the_share_that_the_site_declares(site_file):
    text = site_file.read_text()
    site_file.write_text(text.replace("source = ", 'most_misfits = "0.7"\nsource = '))
    try:
        findings = examined_files(site_file)
    finally:
        site_file.write_text(text)
    found = {(is_good, text) for is_good, what, text in findings if what == "table visits"}
    assert (True, "here.csv: 30 rows read, 30 kept in table visits") in found
    [(is_good, text)] = [(is_good, text) for is_good, text in found if "column sex: 20" in text]
    assert is_good
    assert "20 outside the domain, now missing" in text
