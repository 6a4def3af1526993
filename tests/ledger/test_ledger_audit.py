"""An auditor with files alone verifies the ledger, or reports the first bad entry and the forking site."""

import dataclasses
import json
import shutil
import sqlite3
from fractions import Fraction

import pytest

from privacy_accounting.audit.recompute import recompute
from privacy_accounting.audit.statement import GIVEN_EXACT, statement, write_lines
from privacy_accounting.audit.verify import verify
from privacy_accounting.errors import LedgerForkedError, LedgerRefusedError, LedgerTamperedError
from privacy_accounting.ledger.contents import BudgetChange
from privacy_accounting.ledger.entries import Entry, body_hash, sign_body
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.store import Note, Table
from tests.ledger.ledger_world import NAMES, World, a_budget, a_charge, an_exact, cancel_of, key_of


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A consortium that worked for a while; its files are closed."""
    folder = tmp_path_factory.mktemp("ledgers")
    world = World(stores=lambda name: SqliteStore(folder / f"{name}.db", owner=name)).found()
    first = world.agree(a_charge(world.budget, purpose="triage")).entries[0]
    world.run(first)
    given_back = world.agree(a_charge(world.budget, analyst="bob")).entries[0]
    world.agree(cancel_of(given_back))
    world.agree(an_exact(analyst="bob"))
    world.lost_before = {"cairo"}
    assert not world.agree(a_charge(world.budget)).entries
    world.lost_before = set()
    training = world.agree(a_charge(world.budget, run="heart", round_=2), cohort=("ankara", "basel")).entries[
        0
    ]
    world.run(training)
    world.agree(BudgetChange(population="oncology", budget=a_budget(epsilon=1)))
    for site in world.sites.values():
        site.store.close()
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    for path in finished.iterdir():
        shutil.copy(path, tmp_path / path.name)
    return tmp_path


def files(folder, names=NAMES):
    return [folder / f"{name}.db" for name in names]


def change(path, *statements):
    """Alter a file as an attacker with its password would: triggers off, rows changed, triggers back."""
    connection = sqlite3.connect(path, isolation_level=None)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement_, *values in statements:
        connection.execute(statement_, values)
    for _, sql in triggers:
        connection.execute(sql)
    connection.close()


def entry_of(path, number):
    store = SqliteStore.read_only(path)
    data = store.entries(number, 1)[0]
    store.close()
    return Entry.from_bytes(data)


def signed_by_all(body):
    data = body.to_bytes()
    signatures = {name: sign_body(key_of(name), body_hash(data)) for name in {*body.cohort, "ankara"}}
    return Entry(data=data, body=body, signatures=signatures)


def put(path, entry):
    change(
        path,
        (
            "UPDATE entries SET data = ?, hash = ? WHERE number = ?",
            entry.to_bytes(),
            entry.hash.hex(),
            entry.body.number,
        ),
    )


def test_a_whole_ledger_verifies_and_its_totals_are_reported(folder):
    seen = []
    report = verify(files(folder), progress=seen.append)
    assert report.ok, report
    assert seen
    assert [file.entries for file in report.files] == [7, 7, 7]
    assert (report.forks, dict(report.behind)) == ((), {})
    totals = {(total.population, total.sub_budget): total for total in report.totals}
    total = totals["cardiology", "query"]
    assert total.spent == 2 * a_charge().cost
    assert total.exact_disclosures == 1
    assert totals["oncology", "query"].spent == 0
    report.require()
    assert json.loads(json.dumps(report.to_dict()))["ok"] is True


def test_files_are_read_without_keys_and_without_writing(folder):
    before = {path: path.read_bytes() for path in files(folder)}
    for path in files(folder):
        path.chmod(0o400)
    folder.chmod(0o500)
    try:
        assert verify(files(folder)).ok
        assert statement(files(folder)[0]).lines
    finally:
        folder.chmod(0o700)
    assert {path: path.read_bytes() for path in files(folder)} == before
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") == [
        "ankara.db",
        "basel.db",
        "cairo.db",
    ]


@pytest.mark.parametrize("number", [0, 1, 3, 6])
def test_p2_the_first_bad_entry_is_named(folder, number):
    path = folder / "basel.db"
    entry = entry_of(path, number)
    name = entry.body.cohort[0]
    forged = {**entry.signatures, name: bytes(64)}
    put(path, dataclasses.replace(entry, signatures=forged))
    report = verify(files(folder))
    assert not report.ok
    bad = report.files[1]
    assert (bad.owner, bad.first_bad, bad.entries) == ("basel", number, number)
    assert name in bad.reason
    assert [file.ok for file in report.files] == [True, False, True]
    assert report.forks == ()
    with pytest.raises(LedgerTamperedError) as caught:
        report.require()
    assert caught.value.first_bad_index == number


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'\\"purpose\\":\\"triage\\"', b'\\"purpose\\":\\"nothing\\"'), (b'\\"number\\":1', b'\\"number\\":2')],
    ids=["purpose", "number"],
)
def test_p2_a_changed_byte_is_found(folder, old, new):
    path = folder / "cairo.db"
    data = entry_of(path, 1).to_bytes()
    assert old in data
    change(path, ("UPDATE entries SET data = ? WHERE number = 1", data.replace(old, new)))
    assert verify(files(folder)).files[2].first_bad == 1


def test_p2_a_missing_signer_is_found(folder):
    """Everything else is right: only the count of countersignatures is short."""
    entry = entry_of(folder / "ankara.db", 6)
    short = {name: entry.signatures[name] for name in ("ankara", "basel")}
    put(folder / "ankara.db", dataclasses.replace(entry, signatures=short))
    assert verify(files(folder)).files[0].first_bad == 6


def test_p2_behind_is_not_forked(folder):
    change(folder / "cairo.db", ("DELETE FROM entries WHERE number > 4",))
    report = verify(files(folder))
    assert report.ok
    assert dict(report.behind) == {"cairo": 2}


@pytest.mark.parametrize("liar", NAMES)
def test_p2_the_forking_site_is_named(folder, liar):
    path = folder / f"{liar}.db"
    entry = entry_of(path, 6)
    put(path, signed_by_all(dataclasses.replace(entry.body, time=entry.body.time + 1)))
    report = verify(files(folder))
    assert not report.ok
    assert [(fork.site, fork.number) for fork in report.forks] == [(liar, 6)]
    assert all(file.ok for file in report.files)
    with pytest.raises(LedgerForkedError) as caught:
        report.require()
    assert (caught.value.site, caught.value.number) == (liar, 6)


def test_p2_a_fork_that_a_site_recorded_is_told(folder):
    store = SqliteStore(folder / "basel.db", owner="basel")
    store.append((), [Note(table=Table.FORKS, number=3, digest="aa", payload=b"cairo")])
    store.close()
    assert [(fork.site, fork.number) for fork in verify(files(folder)).forks] == [("cairo", 3)]


def test_p1_a_started_note_without_its_complete_charge_is_found(folder):
    for number, digest in ((1, "00" * 32), (9, "11" * 32), (3, entry_of(folder / "basel.db", 3).hash.hex())):
        store = SqliteStore(folder / "basel.db", owner="basel")
        store.append((), [Note(table=Table.STARTED, number=number, digest=digest, payload=b"1")])
        store.close()
    report = verify(files(folder))
    assert not report.ok
    assert sum("without its complete charge" in finding for finding in report.files[1].findings) == 3
    with pytest.raises(LedgerTamperedError):
        report.require()


def test_p1_a_run_whose_charge_was_given_back_is_found(folder):
    entry = entry_of(folder / "basel.db", 2)
    store = SqliteStore(folder / "basel.db", owner="basel")
    store.append((), [Note(table=Table.STARTED, number=2, digest=entry.hash.hex(), payload=b"1")])
    store.close()
    findings = verify(files(folder)).files[1].findings
    assert any("given back" in finding for finding in findings)
    assert any("opened sessions" in finding for finding in findings)


def test_p1_a_run_outside_the_cohort_is_found(folder):
    entry = entry_of(folder / "cairo.db", 5)
    assert entry.body.cohort == ("ankara", "basel")
    store = SqliteStore(folder / "cairo.db", owner="cairo")
    store.append((), [Note(table=Table.STARTED, number=5, digest=entry.hash.hex(), payload=b"1")])
    store.close()
    assert any("entry 5 without" in finding for finding in verify(files(folder)).files[2].findings)


def test_p2_two_signatures_under_one_number_without_withdrawal_are_found(folder):
    connection = sqlite3.connect(folder / "basel.db")
    number, digest, payload = connection.execute(
        "SELECT number, digest, payload FROM answers LIMIT 1 OFFSET 3"
    ).fetchone()
    connection.close()
    store = SqliteStore(folder / "basel.db", owner="basel")
    store.append((), [Note(table=Table.ANSWERS, number=number, ballot=99, digest="ff" * 32, payload=payload)])
    store.close()
    assert digest != "ff" * 32
    assert any("two proposals" in finding for finding in verify(files(folder)).files[1].findings)


def test_removed_triggers_are_found(folder):
    connection = sqlite3.connect(folder / "cairo.db")
    connection.execute("DROP TRIGGER entries_no_update")
    connection.commit()
    connection.close()
    report = verify(files(folder))
    assert report.files[2].findings == ("append-only trigger entries_no_update is missing or changed",)


def test_p4_a_charge_above_the_allowance_is_found_even_if_all_signed_it(folder):
    path = folder / "ankara.db"
    entry = entry_of(path, 6)
    charge = a_charge()
    costly = dataclasses.replace(charge, cost=a_budget().sub_budgets["query"].allowance)
    put(path, signed_by_all(dataclasses.replace(entry.body, content=costly)))
    report = verify([path])
    assert report.files[0].first_bad == 6
    assert "budget" in report.files[0].reason.lower()


def test_files_that_are_no_ledgers_are_told_not_raised(folder):
    (folder / "x.db").write_bytes(b"nonsense" * 1000)
    report = verify([folder / "x.db", folder / "absent.db", folder / "ankara.db"])
    assert [file.ok for file in report.files] == [False, False, True]
    assert not report.ok


def test_statement_lists_analysts_requests_and_remaining_budget(folder):
    report = statement(folder / "cairo.db")
    assert [line.kind for line in report.lines] == [
        "genesis",
        "charge",
        "charge",
        "cancel",
        "exact",
        "charge",
        "budget",
    ]
    charge, given_back, cancel, exact, training, budget = report.lines[1:]
    assert (charge.analyst, charge.purpose, charge.population, charge.sub_budget) == (
        "ada",
        "triage",
        "cardiology",
        "query",
    )
    price = Fraction(a_charge().cost, 2**40)
    assert float(charge.price) == pytest.approx(float(price), rel=1e-5)
    assert Fraction(charge.price) >= price
    assert (cancel.analyst, cancel.remark, cancel.left) == ("bob", "entry 2 given back", charge.left)
    assert given_back.left != charge.left
    assert (exact.price, exact.remark) == ("", "exact disclosure to ada")
    assert training.run == "heart round 2 attempt 0"
    assert (budget.population, budget.remark) == ("oncology", "epsilon 1 from here on")
    rows = {row.population: row for row in report.remaining}
    assert rows["cardiology"].remark == GIVEN_EXACT
    assert rows["oncology"].remark == ""
    row = rows["cardiology"]
    assert (row.epsilon, row.delta, row.relation, row.colluding) == ("4", "0.000001", "add_or_remove_one", 1)
    assert Fraction(row.left) + Fraction(row.spent) <= Fraction(row.allowance) * Fraction(10001, 10000)
    assert {line.population for line in statement(folder / "cairo.db", population="oncology").lines} == {
        "oncology"
    }
    assert len(write_lines(report)) == 7
    assert json.dumps(report.to_dict())


def test_recompute_prices_every_charge_again(folder):
    report = recompute(folder / "basel.db")
    assert (report.ok, report.charges) == (True, 3)
    assert 0 <= report.largest_excess < 3e-9
    assert json.dumps(report.to_dict())


@pytest.mark.parametrize(
    ("field", "ok"), [("cost", False), ("pure_epsilon", False), ("cost_all_but_one", False), ("", True)]
)
def test_recompute_finds_a_price_below_the_events_cost(folder, field, ok):
    entry = entry_of(folder / "basel.db", 6)
    charge = a_charge()
    if field:
        charge = dataclasses.replace(charge, **{field: getattr(charge, field) * 999 // 1000})
    put(folder / "basel.db", signed_by_all(dataclasses.replace(entry.body, content=charge)))
    report = recompute(folder / "basel.db")
    assert report.ok is ok
    assert [wrong.number for wrong in report.wrong] == ([] if ok else [6])


def test_reports_refuse_what_is_no_ledger(folder):
    for report in (statement, recompute):
        with pytest.raises(LedgerRefusedError):
            report(folder / "absent.db")
