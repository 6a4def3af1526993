"""A privacy officer audits with three ledger files and the consortium file alone: four commands report everything."""

import json
import shutil
import sqlite3

import pytest

from federation.processes.launcher import Launcher
from tests.cli.conftest import crossward, make_folder

COUNT = "SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex"
NAMES = ("anna", "bert", "carl")


@pytest.fixture(scope="module")
def worked(tmp_path_factory):
    """A consortium that answered and stopped; the files lie as a site would send them."""
    here = tmp_path_factory.mktemp("officer")
    folders = make_folder(here / "there")
    with Launcher(folders):
        for extra in (("--fresh", "--epsilon", "0.25"), ("--fresh", "--epsilon", "0.1"), ("--exact",)):
            assert crossward("query", "-c", folders.consortium, COUNT, *extra).code == 0
        answered = crossward(
            "query", "-c", folders.consortium, COUNT, "--fresh", "--epsilon", "0.05", "--json"
        )
        (here / "answer.json").write_text(answered.out)
    for name in NAMES:
        shutil.copy(folders.ledger(name), here / f"{name}.sqlite")
    return here, folders


@pytest.fixture
def files(worked, tmp_path):
    for name in NAMES:
        shutil.copy(worked[0] / f"{name}.sqlite", tmp_path)
    return [tmp_path / f"{name}.sqlite" for name in NAMES]


def test_cli_audit_commands_report_spend_and_integrity(worked, files, tmp_path):
    agreement = worked[1].consortium
    verified = crossward("audit", "verify", "-c", agreement, *files)
    assert (verified.code, verified.err) == (0, "")
    for name in NAMES:
        assert f"{name}.sqlite: whole, 5 entries of {name}" in verified.out
    assert "the first entry matches the consortium file" in verified.out
    assert "verdict: whole, 5 entries, the same at anna, bert, carl" in verified.out
    again = crossward("audit", "recompute", files[0])
    assert again.code == 0
    assert "3 charges computed again, 0 of them priced too low" in again.out
    told = crossward("audit", "statement", files[0])
    assert told.code == 0
    for word in ("Who spent", "analyst", "visits", "exact disclosure", "add_or_remove_one", "What is left"):
        assert word in told.out
    spenders = json.loads(crossward("audit", "statement", "--json", files[0]).out)["spenders"]
    assert [(row["population"], row["sub_budget"], row["exact_disclosures"]) for row in spenders] == [
        ("visits", "query", 0),
        ("visits", "", 1),
    ]
    assert 0 < float(spenders[0]["fraction"]) < 1
    page = tmp_path / "report.html"
    assert crossward("audit", "report", files[0], "--out", page).code == 0
    assert "unit: as the consortium file declares" in page.read_text()
    assert crossward("audit", "report", "-c", agreement, files[0], "--out", page).code == 0
    assert "unit: one row" in page.read_text()


def test_cli_without_the_consortium_file_the_report_lists_unchecked_facts(files):
    ran = crossward("audit", "verify", files[0])
    assert ran.code == 0
    assert "not compared with a consortium file (-c)" in ran.out
    for name in ("bert", "carl"):
        assert f"no file of {name} was given" in ran.out


def test_cli_a_receipt_shows_an_entry_that_every_site_dropped(worked, files, tmp_path):
    answer = worked[0] / "answer.json"
    assert crossward("audit", "verify", "--receipt", answer, *files).code == 0
    alone = tmp_path / "receipt.json"
    alone.write_text(json.dumps(json.loads(answer.read_text())["receipt"]))
    for path in files:
        for table in ("entries", "started", "opened"):
            alter(path, f"DELETE FROM {table} WHERE number = 4")
    assert crossward("audit", "verify", *files).code == 0
    for receipt in (answer, alone):
        ran = crossward("audit", "verify", "--receipt", receipt, *files)
        assert ran.code == 1
        assert "RECEIPT not found: no file given holds entry 4 as the receipt names it" in ran.out
        assert "verdict: NOT WHOLE" in ran.out
    for content in ("", "[]", "{}", '{"receipt": 3}', '{"number": true, "entry_hash": "aa"}'):
        alone.write_text(content)
        assert crossward("audit", "verify", "--receipt", alone, *files).code == 2
    assert crossward("audit", "verify", "--receipt", tmp_path / "none", *files).code == 2


def test_cli_another_consortium_s_book_is_refused(files, tmp_path):
    other = make_folder(tmp_path / "other")
    ran = crossward("audit", "verify", "-c", other.consortium, *files)
    assert ran.code == 1
    assert ran.out.count("NOT WHOLE from entry 0 on") == 3
    assert "the genesis entry is not the one that the consortium file gives" in ran.out
    assert "verdict: NOT WHOLE" in ran.out
    assert crossward("audit", "verify", "-c", tmp_path / "none.toml", *files).code == 1


def alter(path, statement):
    connection = sqlite3.connect(path, isolation_level=None)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(statement)
    for _, text in triggers:
        connection.execute(text)
    connection.close()


def test_cli_every_audit_stops_before_the_altered_entry_and_exits_1(files):
    alter(files[1], "UPDATE entries SET data = (SELECT data FROM entries WHERE number = 1) WHERE number = 2")
    verified = crossward("audit", "verify", *files)
    assert (
        "bert.sqlite: NOT WHOLE from entry 2 on, 2 entries of bert: entry 1 does not follow" in verified.out
    )
    for command in ("verify", "recompute", "statement"):
        ran = crossward("audit", command, files[1])
        assert ran.code == 1
        assert "NOT WHOLE from entry 2 on" in ran.out
        assert crossward("audit", command, "--json", files[1]).code == 1


def test_cli_text_in_a_file_cannot_steer_the_terminal(files):
    alter(files[1], "UPDATE owner SET name = char(27) || '[2J' || 'x'")
    for command in ("verify", "statement", "recompute"):
        ran = crossward("audit", command, files[1])
        assert "\x1b" not in ran.out + ran.err


def test_cli_the_report_of_a_ledger_that_does_not_hold_exits_1_and_says_so(files, tmp_path):
    page = tmp_path / "report.html"
    assert crossward("audit", "report", files[0], "--out", page).code == 0
    alter(files[1], "UPDATE entries SET data = (SELECT data FROM entries WHERE number = 1) WHERE number = 2")
    ran = crossward("audit", "report", files[1], "--out", page)
    assert ran.code == 1
    assert "NOT WHOLE: from entry 2 on" in ran.out
    assert "does not hold from entry 2 on" in page.read_text()
    alter(files[2], "DELETE FROM started WHERE number = 1")  # the chain holds, the site's own notes do not
    ran = crossward("audit", "report", files[2], "--out", page)
    assert ran.code == 1
    assert "opened sessions and started runs differ at entry 1" in ran.out
    assert "own notes do not hold" in page.read_text()


@pytest.mark.parametrize("command", ["verify", "recompute", "statement", "report"])
def test_cli_a_mistyped_name_is_a_usage_error_and_says_nothing_about_a_ledger(files, tmp_path, command):
    for wrong, said in ((tmp_path / "ana.sqlite", "No such file"), (tmp_path, "Is a directory")):
        given = [files[0], wrong] if command == "verify" else [wrong]
        ran = crossward(
            "audit", command, *given, *(["--out", tmp_path / "x.html"] if command == "report" else [])
        )
        assert (ran.code, ran.out) == (2, "")
        assert f"cannot read {wrong}: {said}" in ran.err
        assert "WHOLE" not in ran.err
    assert not (tmp_path / "x.html").exists()


def test_cli_a_report_that_cannot_be_written_is_a_usage_error(files, tmp_path):
    ran = crossward("audit", "report", files[0], "--out", tmp_path / "none" / "x.html")
    assert (ran.code, ran.out) == (2, "")
    assert "x.html: No such file or directory" in ran.err
