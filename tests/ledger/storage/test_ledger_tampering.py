"""Files of three sites, altered with sqlite3: the audit reports every change with its site and, if any, its entry."""

import dataclasses
import hashlib
import shutil
import sqlite3

import pytest

from privacy_accounting.audit.chain_reader import OTHER_GENESIS
from privacy_accounting.audit.recompute import recompute
from privacy_accounting.audit.statement import statement
from privacy_accounting.audit.verify import Receipt, verify
from privacy_accounting.errors import LedgerRefusedError, LedgerTamperedError
from privacy_accounting.ledger.entries import Entry, body_hash, sign_body
from privacy_accounting.ledger.replication.snapshots import snapshot_draft
from privacy_accounting.ledger.storage.archive import archive
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.report import report_html
from privacy_accounting.report.figures import report_figures
from tests.ledger.ledger_world import NAMES, World, a_charge, an_exact, cancel_of, key_of

ALTERED = "cairo"


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Six entries after the first: charges that ran, one given back, an exact disclosure, a withdrawn proposal."""
    folder = tmp_path_factory.mktemp("honest")
    world = World(stores=lambda name: SqliteStore(folder / f"{name}.db", owner=name)).found()
    world.run(world.agree(a_charge(world.budget, purpose="triage")).entries[0])
    given_back = world.agree(a_charge(world.budget, analyst="bob")).entries[0]
    world.agree(cancel_of(given_back))
    world.lost_before = {"cairo"}
    assert not world.agree(a_charge(world.budget)).entries
    world.lost_before = set()
    world.agree(an_exact(analyst="bob"))
    world.run(world.agree(a_charge(world.budget, purpose="research")).entries[0])
    world.run(world.agree(a_charge(world.budget, purpose="quality")).entries[0])
    for site in world.sites.values():
        site.store.close()
    return folder, world.genesis


@pytest.fixture
def folder(honest, tmp_path):
    for path in honest[0].glob("*.db"):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path


def paths(folder):
    return [folder / f"{name}.db" for name in NAMES]


def sql(*statements):
    """Triggers off, rows changed, triggers back: as an attacker with write access would."""

    def alter(path):
        connection = sqlite3.connect(path, isolation_level=None)
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement_ in statements:
            connection.execute(statement_)
        for _, text in triggers:
            connection.execute(text)
        connection.close()

    return alter


def without_guards(*statements):
    def alter(path):
        connection = sqlite3.connect(path, isolation_level=None)
        for statement_ in statements:
            connection.execute(statement_)
        connection.close()

    return alter


def cut(keep):
    def alter(path):
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * keep)])

    return alter


def replaced(number, old, new):
    return sql(
        f"UPDATE entries SET data = CAST(REPLACE(CAST(data AS TEXT), '{old}', '{new}') AS BLOB) WHERE number = {number}"
    )


def entry_of(path, number):
    store = SqliteStore.read_only(path)
    data = store.entries(number, 1)[0]
    store.close()
    return Entry.from_bytes(data)


def forked(path):
    """All signed another last entry for this site: only a comparison shows it."""
    old = entry_of(path, 6).body
    body = dataclasses.replace(old, time=old.time + 1)
    hashed = body_hash(body.to_bytes())
    entry = Entry(
        data=body.to_bytes(), body=body, signatures={name: sign_body(key_of(name), hashed) for name in NAMES}
    )
    connection = sqlite3.connect(path, isolation_level=None)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(
        "UPDATE entries SET data = ?, hash = ? WHERE number = 6", (entry.to_bytes(), entry.hash.hex())
    )
    connection.execute("DELETE FROM started WHERE number = 6")
    connection.execute("DELETE FROM opened WHERE number = 6")
    for _, text in triggers:
        connection.execute(text)
    connection.close()


SWAP = (
    "UPDATE entries SET number = 99 WHERE number = 2",
    "UPDATE entries SET number = 2 WHERE number = 3",
    "UPDATE entries SET number = 3 WHERE number = 99",
)
OTHER_SIGNATURE = (
    "UPDATE entries SET data = CAST(REPLACE(CAST(data AS TEXT), "
    '(SELECT substr(CAST(data AS TEXT), instr(CAST(data AS TEXT), \'"basel":"\') + 9, 128) FROM entries WHERE number = 3), '
    '(SELECT substr(CAST(data AS TEXT), instr(CAST(data AS TEXT), \'"basel":"\') + 9, 128) FROM entries WHERE number = 4)'
    ") AS BLOB) WHERE number = 3"
)
ENTRY_CHANGES = {
    "a letter of an entry": (replaced(1, "triage", "triags"), 1),
    "a lower cost": (replaced(5, '\\"cost\\":6', '\\"cost\\":5'), 5),
    "another event": (replaced(5, 'noise_multiplier\\":\\"8', 'noise_multiplier\\":\\"9'), 5),
    "another analyst": (replaced(4, "bob", "eve"), 4),
    "a signature of another entry": (sql(OTHER_SIGNATURE), 3),
    "two entries swapped": (sql(*SWAP), 2),
    "an entry taken out": (sql("DELETE FROM entries WHERE number = 3"), 3),
    "an entry taken out, the others moved up": (
        sql(
            "DELETE FROM entries WHERE number = 3",
            *(f"UPDATE entries SET number = {n - 1} WHERE number = {n}" for n in (4, 5, 6)),
        ),
        3,
    ),
    "an entry twice": (
        sql("UPDATE entries SET data = (SELECT data FROM entries WHERE number = 4) WHERE number = 5"),
        5,
    ),
    "an empty entry": (sql("UPDATE entries SET data = x'' WHERE number = 5"), 5),
    "an entry of another type": (sql("UPDATE entries SET data = 'text' WHERE number = 5"), 5),
    "the first entry": (replaced(0, "cardiology", "radiologie"), 0),
}


@pytest.mark.parametrize("name", ENTRY_CHANGES)
def test_p2_an_altered_entry_is_reported_with_its_number_and_site(folder, name):
    alter, number = ENTRY_CHANGES[name]
    before = (folder / f"{ALTERED}.db").read_bytes()
    alter(folder / f"{ALTERED}.db")
    assert (folder / f"{ALTERED}.db").read_bytes() != before
    report = verify(paths(folder))
    assert [file.ok for file in report.files] == [True, True, False]
    assert (report.files[2].owner, report.files[2].first_bad) == (ALTERED, number)
    assert report.files[2].findings == ()  # behind a bad entry nothing is concluded
    assert report.forks == ()


@pytest.mark.parametrize("name", ENTRY_CHANGES)
def test_p2_no_audit_reports_figures_of_an_altered_file(folder, name):
    """Statement, recompute and report end before the altered entry and report it, or refuse if no entry is valid."""
    alter, number = ENTRY_CHANGES[name]
    path = folder / f"{ALTERED}.db"
    alter(path)
    if number == 0:
        for audit in (statement, recompute):
            with pytest.raises(LedgerRefusedError, match="is valid"):
                audit(path)
        return
    told, again = statement(path), recompute(path)
    assert (told.first_bad, again.first_bad, again.ok) == (number, number, False)
    assert len(told.lines) == number
    store = SqliteStore.read_only(path)
    assert report_figures(store).first_bad == number
    assert f"does not hold from entry {number} on" in report_html(store)
    store.close()


NOTE_CHANGES = {
    "under another site's name": (
        sql("UPDATE owner SET name = 'basel'"),
        "its notes about entry 0 were written by cairo",
    ),
    "under the sequencer's name": (
        sql("UPDATE owner SET name = 'ankara'"),
        "its notes about entry 0 were written by cairo",
    ),
    "under a stranger's name": (sql("UPDATE owner SET name = 'delhi'"), "delhi never was a member"),
    "under another's name, notes renamed too": (
        sql(
            "UPDATE owner SET name = 'basel'",
            "UPDATE answers SET payload = "
            'CAST(REPLACE(CAST(payload AS TEXT), \'"sender":"cairo"\', \'"sender":"basel"\') AS BLOB)',
        ),
        "is not signed by basel",
    ),
    "filed under another hash": (
        sql("UPDATE entries SET hash = 'ab' WHERE number = 4"),
        "entry 4 is filed under another hash",
    ),
    "a run without its complete charge": (
        sql("DELETE FROM entries WHERE number = 6"),
        "a run was started for entry 6 without its complete charge",
    ),
    "a run that was hidden": (
        sql("DELETE FROM started WHERE number = 5"),
        "opened sessions and started runs differ at entry 5",
    ),
    "a session that was hidden": (
        sql("DELETE FROM opened WHERE number = 5"),
        "opened sessions and started runs differ at entry 5",
    ),
    "a run of what was given back": (
        sql(
            "INSERT INTO started (number, ballot, digest, payload) "
            "SELECT 2, 0, hash, x'31' FROM entries WHERE number = 2"
        ),
        "the run of entry 2 was started although its charge was given back",
    ),
    "a run charged twice": (
        sql("UPDATE started SET digest = (SELECT hash FROM entries WHERE number = 4) WHERE number = 6"),
        "a run was started for entry 6 without its complete charge",
    ),
    "a note of another type": (sql("UPDATE answers SET payload = 'text'"), "own notes cannot be read"),
    "a note that is no message": (sql("UPDATE answers SET payload = x'7b7d'"), "own notes cannot be read"),
    "guards removed": (
        without_guards("DROP TRIGGER entries_no_delete"),
        "trigger entries_no_delete is missing",
    ),
    "a guard that guards nothing": (
        without_guards(
            "DROP TRIGGER started_no_update",
            "CREATE TRIGGER started_no_update BEFORE UPDATE ON started WHEN 0 BEGIN SELECT 1; END",
        ),
        "trigger started_no_update is missing or changed",
    ),
    "a table removed": (without_guards("DROP TABLE started"), "no such table: started"),
}


@pytest.mark.parametrize("name", NOTE_CHANGES)
def test_p1_altered_notes_are_reported_with_their_site(folder, name):
    alter, said = NOTE_CHANGES[name]
    alter(folder / f"{ALTERED}.db")
    report = verify(paths(folder))
    assert not report.ok
    assert report.files[2].first_bad is None
    assert said in "; ".join(report.files[2].findings)


def test_p2_the_withdrawal_of_a_first_signature_cannot_be_hidden(folder):
    """Basel signed the proposal that cairo did not get, then another one under the same number."""
    assert verify(paths(folder)).files[1].withdrawals == 1
    sql("DELETE FROM withdrawals")(folder / "basel.db")
    assert any("two proposals for entry 4" in finding for finding in verify(paths(folder)).files[1].findings)


def test_duplicate_and_missing_files_of_sites_are_reported(folder):
    sql("UPDATE owner SET name = 'basel'")(folder / "cairo.db")
    report = verify(paths(folder))
    assert report.absent == ("cairo",)
    assert report.repeated == {"basel": 2}
    assert verify(paths(folder)[:1]).absent == ("basel", "cairo")


def test_removed_notes_are_reported_though_a_restored_site_looks_alike(folder):
    assert [file.forgotten for file in verify(paths(folder)).files] == [0, 0, 0]
    sql("DELETE FROM answers WHERE number > 2")(folder / "cairo.db")
    report = verify(paths(folder))
    assert report.ok
    assert report.files[2].forgotten == 4


UNREADABLE = {
    "cut in half": cut(0.5),
    "cut to a page": cut(0.02),
    "emptied": cut(0),
    "a later format": without_guards("PRAGMA user_version = 9"),
    "another application's": without_guards("PRAGMA application_id = 9"),
    "without owner": sql("DELETE FROM owner"),
    "a number's": without_guards(
        "DROP TABLE owner", "CREATE TABLE owner (name)", "INSERT INTO owner VALUES (7)"
    ),
    "beginning nowhere": sql("UPDATE base SET number = 'x'"),
    "beginning before 0": sql("UPDATE base SET number = -1"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_file_is_reported_with_its_path_beside_the_others(folder, name):
    UNREADABLE[name](folder / f"{ALTERED}.db")
    report = verify(paths(folder))
    assert [file.ok for file in report.files] == [True, True, False]
    assert report.files[2].reason
    assert report.files[2].path.endswith("cairo.db")
    assert report.absent == ("cairo",)
    for audit in (statement, recompute):
        with pytest.raises(LedgerRefusedError):
            audit(folder / f"{ALTERED}.db")


def test_entries_that_cannot_be_read_at_all_are_named_from_the_first_on(folder):
    without_guards("DROP TABLE entries")(folder / f"{ALTERED}.db")
    file = verify(paths(folder)).files[2]
    assert (file.first_bad, file.owner) == (0, ALTERED)
    assert "no such table" in file.reason


def test_a_file_that_begins_later_than_it_can_account_for_is_named(folder):
    sql("UPDATE base SET number = 3")(folder / f"{ALTERED}.db")
    assert verify(paths(folder)).files[2].first_bad == 3


def test_dropping_an_unused_last_entry_is_reported_as_behind(folder):
    """Behind is allowed (a site may have been away); the longest book that holds counts."""
    drop = sql(*(f"DELETE FROM {table} WHERE number = 6" for table in ("entries", "started", "opened")))
    for name in ("basel", "cairo"):
        drop(folder / f"{name}.db")
    report = verify(paths(folder))
    assert report.ok
    assert dict(report.behind) == {"basel": 1, "cairo": 1}
    assert report.totals[0].spent == 3 * a_charge().cost


def test_p2_an_entry_that_every_site_dropped_is_found_by_a_receipt(folder):
    """All sites together can forget the last entries; whoever was answered has the hash."""
    receipts = [
        Receipt(number=number, entry_hash=entry_of(folder / "cairo.db", number).hash.hex())
        for number in (1, 6)
    ]
    assert verify(paths(folder), receipts=receipts).ok
    for path in paths(folder):
        sql(*(f"DELETE FROM {table} WHERE number = 6" for table in ("entries", "started", "opened")))(path)
    assert verify(paths(folder)).ok
    report = verify(paths(folder), receipts=receipts)
    assert (report.ok, report.unmet) == (False, (6,))
    with pytest.raises(LedgerTamperedError) as caught:
        report.require()
    assert caught.value.first_bad_index == 6
    other = Receipt(number=1, entry_hash=receipts[1].entry_hash)
    assert verify(paths(folder), receipts=[other]).unmet == (1,)


def test_p2_a_fork_is_named_with_its_entry_and_site(folder):
    forked(folder / f"{ALTERED}.db")
    report = verify(paths(folder))
    assert all(file.ok for file in report.files)
    assert [(fork.number, fork.site) for fork in report.forks] == [(6, ALTERED)]


def test_p2_a_forged_ledger_fails_against_the_consortium_file(honest, tmp_path):
    """Own keys, own sites, everything signed: only the consortium file shows that it is another book."""
    invented = World(
        names=("ankara", "basel", "delhi"),
        stores=lambda name: SqliteStore(tmp_path / f"{name}.db", owner=name),
    )
    invented.found()
    invented.agree(an_exact())
    for site in invented.sites.values():
        site.store.close()
    given = [tmp_path / f"{name}.db" for name in ("ankara", "basel", "delhi")]
    assert verify(given).ok
    report = verify(given, genesis=honest[1])
    assert not report.ok
    assert [(file.first_bad, file.reason, file.entries) for file in report.files] == [
        (0, OTHER_GENESIS, 0)
    ] * 3
    assert report.totals == ()


def test_p2_a_true_ledger_passes_against_the_consortium_file(honest, folder):
    report = verify(paths(folder), genesis=honest[1])
    assert report.ok
    assert report.against_consortium
    assert not verify(paths(folder)).against_consortium


@pytest.fixture
def archived(tmp_path):
    """Ankara moved its old entries away; the file begins at a snapshot."""
    world = World(stores=lambda name: SqliteStore(tmp_path / f"{name}.db", owner=name)).found()
    world.run(world.agree(a_charge(world.budget)).entries[0])
    world.agree(an_exact())
    assert world.agree(snapshot_draft(world.head.replica).content).entries
    world.agree(an_exact())
    for site in world.sites.values():
        site.store.close()
    assert archive(tmp_path / "ankara.db", tmp_path / "old.db", older_than=world.now) == 3
    (tmp_path / "old.db").chmod(0o600)
    return tmp_path, world.genesis


ARCHIVE_CHANGES = {
    "an entry in the archive": ("old.db", replaced(2, '\\"ada\\"', '\\"eve\\"'), 2),
    "the snapshot": ("ankara.db", replaced(3, '\\"entries\\":3', '\\"entries\\":2'), 3),
    "an entry behind it": ("ankara.db", replaced(4, '\\"ada\\"', '\\"eve\\"'), 4),
    "the totals that the checkpoint holds": (
        "ankara.db",
        sql(
            "UPDATE checkpoints SET payload = CAST(REPLACE(CAST(payload AS TEXT), '\"units\":', '\"units\":1') AS BLOB)"
        ),
        3,
    ),
    "the checkpoint removed": ("ankara.db", sql("DELETE FROM checkpoints"), 3),
}
RESEALED = {
    "total": (b'"units":', b'"units":1'),
    "pure total": (b'"pure_units":', b'"pure_units":1'),
    "own delta": (b'"own_delta":[0,1]', b'"own_delta":[1,9]'),
    "purpose": (b'"purposes":{"audit":', b'"purposes":{"audit":1'),
    "analyst": (b'"analysts":{"ada":', b'"analysts":{"eve":'),
    "event": (b'noise_multiplier\\":\\"8', b'noise_multiplier\\":\\"80'),
    "number of an event": (b'\\"}",1]', b'\\"}",2]'),
    "exact disclosures": (b'"exact":[["cardiology","ada",1]]', b'"exact":[]'),
    "numbers opened": (b'"exact_numbers":{"cardiology":10}', b'"exact_numbers":{"cardiology":1}'),
    "budget": (b'"budgets":{"cardiology":{"epsilon":"4"', b'"budgets":{"cardiology":{"epsilon":"9"'),
    "relation": (b'"relation":"add_or_remove_one"', b'"relation":"replace_one"'),
    "t": (b'"colluding":1', b'"colluding":0'),
    "member": (b'"sequencer":"ankara"', b'"sequencer":"basel"'),
    "hash of an entry": (b'"hashes":"', b'"hashes":"00'),
}


def resealed(path, old, new):
    """Change what a checkpoint states and write the digest that fits it: only the snapshot that all signed differs."""
    connection = sqlite3.connect(path, isolation_level=None)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    (payload,) = connection.execute("SELECT payload FROM checkpoints").fetchone()
    altered = payload.replace(old, new, 1)
    assert altered != payload
    connection.execute(
        "UPDATE checkpoints SET payload = ?, digest = ?", (altered, hashlib.sha256(altered).hexdigest())
    )
    for _, text in triggers:
        connection.execute(text)
    connection.close()


@pytest.mark.parametrize("what", RESEALED)
def test_p2_a_resealed_checkpoint_states_only_what_the_snapshot_fixes(archived, what):
    folder, _ = archived
    resealed(folder / "ankara.db", *RESEALED[what])
    report = verify([folder / "ankara.db"])
    assert not report.ok
    assert (report.files[0].first_bad, report.files[0].entries) == (3, 0)
    for audit in (statement, recompute):
        with pytest.raises(LedgerRefusedError):
            audit(folder / "ankara.db")


@pytest.mark.parametrize("name", ARCHIVE_CHANGES)
def test_p2_an_altered_archive_snapshot_or_checkpoint_is_reported(archived, name):
    folder, genesis = archived
    given = [folder / "old.db", *paths(folder)]
    assert verify(given, genesis=genesis).ok
    file, alter, number = ARCHIVE_CHANGES[name]
    alter(folder / file)
    report = verify(given, genesis=genesis)
    bad = [each for each in report.files if not each.ok]
    assert [(each.path.rsplit("/", 1)[1], each.owner, each.first_bad) for each in bad] == [
        (file, "ankara", number)
    ]


def test_p2_a_compacted_file_is_checked_against_the_consortium_file(archived):
    folder, genesis = archived
    other = dataclasses.replace(genesis, content=dataclasses.replace(genesis.content, colluding=0))
    report = verify([folder / "ankara.db"], genesis=other)
    assert (report.files[0].first_bad, report.files[0].reason) == (3, OTHER_GENESIS)
    assert report.files[0].entries == 0
