"""Snapshot contents: with archived entries, sites and auditors believe only facts fixed by all signatures."""

import dataclasses
import hashlib
import json
import re
import sqlite3

import pytest

from privacy_accounting.audit.verify import verify
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.contents import MembersChange, Snapshot
from privacy_accounting.ledger.entries import Body, Entry, body_hash, public_hex, sign_body
from privacy_accounting.ledger.merkle import MerkleTree, merkle_root
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.state import ChainState
from privacy_accounting.ledger.storage.archive import archive
from privacy_accounting.ledger.storage.checkpoint import take_checkpoint
from privacy_accounting.ledger.storage.compaction import copy_into_file
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.store import Table
from privacy_accounting.ledger.used_requests import UsedRequests
from tests.ledger.ledger_world import NAMES, World, a_charge, an_exact, complete_of, copy_of, key_of
from tests.ledger.storage.test_ledger_checkpoint import snapshot

BEGINS = 9
RUN = "ab" * 32


def over(to):
    return MembersChange(change="sequencer", name=to, key="", sequencer=to)


def hand_over(world, to):
    entry = world.agree(over(to)).entries[0]
    world.sequencer_name = to
    world.restart(to)
    return entry


def told(world):
    """Charges, a training attempt, a hand-over there and back, a site added and lost again, a snapshot, a charge."""
    spent = world.agree(a_charge(world.budget)).entries[0]
    world.agree(a_charge(world.budget, run=RUN, round_=1))
    world.agree(an_exact())
    for to in ("basel", "ankara"):
        hand_over(world, to)
    delhi = MembersChange(change="add", name="delhi", key=public_hex(key_of("delhi")), sequencer="ankara")
    body = Body(
        chain=world.genesis.chain,
        number=6,
        previous=world.head.replica.core.state.place.previous,
        time=world.now,
        cohort=(*NAMES, "delhi"),
        content=delhi,
    )
    joined = complete_of(body.to_bytes(), (*NAMES, "delhi"))
    for name in NAMES:
        world.sites[name].replica.catch_up([joined.to_bytes()], source="ankara")
    lost = world.agree(dataclasses.replace(delhi, change="lose", key="")).entries
    assert lost
    world.agree(an_exact(analyst="bob"))
    snapshot(world)
    world.agree(an_exact())
    return spent


class Files:
    """Sites whose ledgers are files; ankara's is compacted."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "ankara.db"
        self.world = World(stores=lambda name: SqliteStore(folder / f"{name}.db", owner=name)).found()

    def archive(self):
        for site in self.world.sites.values():
            site.store.close()
        assert archive(self.path, self.folder / "old.db", older_than=self.world.now) == BEGINS

    def change(self, *statements):
        """Rows changed as an attacker with write access would: triggers off, and on again."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        found = [connection.execute(*statement).fetchall() for statement in statements]
        for _, text in triggers:
            connection.execute(text)
        connection.close()
        return found

    place = ""
    mark = "?"

    def open(self):
        return SqliteStore(self.path, owner="ankara")

    def audited(self):
        return self.path


class Servers(Files):
    """The same in schemas of a PostgreSQL server."""

    mark = "%s"

    def __init__(self, folder, conninfo, new_schema):
        self.folder, self.conninfo = folder, conninfo
        self.schemas = {name: new_schema() for name in NAMES}
        self.place = f"{self.schemas['ankara']}."
        self.world = World(stores=self._store).found()

    def _store(self, name):
        from privacy_accounting.ledger.storage.postgres import PostgresStore

        return PostgresStore(self.conninfo, owner=name, schema=self.schemas[name])

    def archive(self):
        from privacy_accounting.ledger.storage.postgres_archive import archive_schema

        for site in self.world.sites.values():
            site.store.close()
        given = {"owner": "ankara", "schema": self.schemas["ankara"], "into": self.folder / "old.db"}
        assert archive_schema(self.conninfo, older_than=self.world.now, **given) == BEGINS

    def change(self, *statements):
        import psycopg

        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            for on in ("DISABLE", "ENABLE"):
                if on == "ENABLE":
                    done = [connection.execute(*statement) for statement in statements]
                    found = [each.fetchall() if each.description else [] for each in done]
                for table in ("checkpoints", "entries"):
                    connection.execute(f"ALTER TABLE {self.place}{table} {on} TRIGGER USER")
        return found

    def open(self):
        return self._store("ankara")

    def audited(self):
        store = self.open()
        out = self.folder / "copy.db"
        copy_into_file(store, out)
        store.close()
        return out


@pytest.fixture(params=["sqlite", "postgres"])
def site(request, tmp_path):
    if request.param == "sqlite":
        return Files(tmp_path)
    return Servers(tmp_path, request.getfixturevalue("postgres"), request.getfixturevalue("new_schema"))


def alter(site, change):
    """Change what the checkpoint states and seal it again: only what all sites signed differs."""
    ((payload,),) = site.change((f"SELECT payload FROM {site.place}checkpoints",))[0]
    written = json.loads(bytes(payload))
    change(written)
    altered = json.dumps(written, separators=(",", ":")).encode("ascii")
    assert altered != bytes(payload)
    text = f"UPDATE {site.place}checkpoints SET payload = {site.mark}, digest = {site.mark}"
    site.change((text, (altered, hashlib.sha256(altered).hexdigest())))


def refused(site, reason):
    """A node does not start on it, and an auditor is told why, with the consortium file or without."""
    store = site.open()
    with pytest.raises(LedgerRefusedError, match=reason):
        Replica(store, key_of("ankara"), site.world.clock, genesis=site.world.genesis)
    store.close()
    path = site.audited()
    for genesis in (None, site.world.genesis):
        report = verify([path], genesis=genesis)
        assert not report.ok
        assert (report.files[0].first_bad, report.files[0].entries) == (BEGINS, 0)
        assert re.search(reason, report.files[0].reason)


def resigned(text):
    """The last change of members, with the signature of another entry under one name."""
    entry = Entry.from_bytes(text.encode("ascii"))
    signatures = dict(entry.signatures) | {"basel": sign_body(key_of("basel"), b"\x00" * 32)}
    return dataclasses.replace(entry, signatures=signatures).to_bytes().decode("ascii")


def other_keys(written):
    """Cairo had another key in the beginning, in the checkpoint's own genesis."""
    written["state"]["genesis"]["members"]["cairo"] = "ab" * 32


PINNED = "differs from its snapshot in used requests, history of members"
ALTERED = {
    "a used request left out": (lambda w: w["once"].pop(0), PINNED),
    "all used requests left out": (lambda w: w["once"].clear(), PINNED),
    "a used request of another nonce": (lambda w: w["once"][0].__setitem__(1, "00" * 16), PINNED),
    "two used requests exchanged": (lambda w: w["once"].reverse(), PINNED),
    "a used request added": (lambda w: w["once"].append(["eve", "00" * 16, "", 0, 0]), PINNED),
    "attempts of a run forgotten": (lambda w: w["state"]["attempts"].clear(), PINNED),
    "a raise that never was": (lambda w: w["state"]["raised"].update(cardiology=3), PINNED),
    "a moved order that never was": (
        lambda w: w["state"]["moved"].append(["cardiology", "query", 3]),
        PINNED,
    ),
    "a hand-over there and back left out": (lambda w: w["members"].__delitem__(slice(0, 2)), PINNED),
    "a site that came and went left out": (lambda w: w["members"].__delitem__(slice(2, 4)), PINNED),
    "every change of members left out": (lambda w: w["members"].clear(), PINNED),
    "one hand-over left out": (lambda w: w["members"].pop(0), PINNED),
    "a site that is left out is kept": (
        lambda w: w["members"].pop(),
        "a snapshot entry is signed by all members",
    ),
    "a change with another signature": (
        lambda w: w["members"].append(resigned(w["members"].pop())),
        "the signature of basel is wrong",
    ),
    "other keys": (other_keys, "differs from the genesis entry"),
}


@pytest.mark.parametrize("what", ALTERED)
def test_p2_a_compacted_ledger_states_only_requests_and_members_all_signed(site, what):
    told(site.world)
    site.archive()
    change, reason = ALTERED[what]
    alter(site, change)
    refused(site, reason)


def test_p1_a_spent_request_is_refused_after_compaction_too(site):
    spent = told(site.world)
    site.archive()
    store = site.open()
    replica = Replica(store, key_of("ankara"), site.world.clock, genesis=site.world.genesis)
    assert spent.body.content.asked.once in replica.core.state.used
    assert replica.core.state.attempts_of(RUN) == 1
    assert [first for first, _ in replica.core.state.succession.spans] == [0, 5, 6, 7, 8]
    store.close()
    report = verify([site.audited()], genesis=site.world.genesis)
    assert report.ok, report


# -- a ledger forged from the second entry on ------------------------------------------------------------------------


def evil(name):
    return key_of(f"evil {name}")


def invented(world, store_of):
    """The true genesis entry, then new keys for all sites from the forger alone, a snapshot, and entries of his choice."""
    state, entries = ChainState(), []

    def enter(content, key):
        body = Body(
            chain=world.genesis.chain,
            number=state.place.number,
            previous=state.place.previous,
            time=state.place.time,
            cohort=NAMES,
            content=content,
        )
        hashed = body_hash(body.to_bytes())
        signatures = {name: sign_body(key(name), hashed) for name in NAMES}
        entries.append(Entry(data=body.to_bytes(), body=body, signatures=signatures))
        state.apply(entries[-1])

    enter(world.genesis.content, key_of)
    for name in NAMES:
        enter(
            MembersChange(change="rekey", name=name, key=public_hex(evil(name)), sequencer=NAMES[0]),
            evil,
        )
    hashes = [entry.hash for entry in entries]
    note = take_checkpoint(state, hashes, 0)
    enter(Snapshot(entries=len(hashes), root=merkle_root(hashes), state=state.digest()), evil)
    store = store_of(len(hashes))
    store.append(entries[len(hashes) :], [note])
    store.close()
    return len(hashes)


def test_p2_keys_not_passed_on_by_the_members_are_refused(tmp_path):
    """The attack: all is consistent, the first entry is the consortium's, and only its keys are not the members'."""
    world, path = World().found(), tmp_path / "invented.db"
    begins = invented(world, lambda base: SqliteStore(path, owner="ankara", base=base))
    store = SqliteStore(path, owner="ankara")
    with pytest.raises(LedgerRefusedError, match="signature of basel is wrong"):
        Replica(store, evil("ankara"), world.clock, genesis=world.genesis)
    store.close()
    report = verify([path], genesis=world.genesis)
    assert (report.ok, report.files[0].first_bad) == (False, begins)
    assert "signature of basel is wrong" in report.files[0].reason


def test_p2_an_unsigned_snapshot_entry_is_found_at_the_start(site):
    """The attack: the file's own snapshot is rewritten to fit the thinned checkpoint, and nothing follows it."""
    told(site.world)
    site.archive()
    store = site.open()
    data = store.entries(BEGINS, 1)[0]
    entry = Entry.from_bytes(data)
    store.close()
    thinned = UsedRequests()
    ((payload,),) = site.change((f"SELECT payload FROM {site.place}checkpoints",))[0]
    written = json.loads(bytes(payload))
    thinned.take_over(written["once"][1:])
    whole = ChainState()
    for held in copy_of_entries(site):
        if held.body.number == BEGINS:
            break
        whole.apply(held)
    whole.used = thinned
    content = dataclasses.replace(entry.body.content, state=whole.digest())
    body = dataclasses.replace(entry.body, content=content)
    forged = dataclasses.replace(entry, data=body.to_bytes(), body=body)
    alter(site, lambda w: w["once"].pop(0))
    text = f"UPDATE {site.place}entries SET data = {site.mark}, hash = {site.mark} WHERE number = {BEGINS}"
    site.change(
        (text, (forged.to_bytes(), forged.hash.hex())),
        (f"DELETE FROM {site.place}entries WHERE number > {BEGINS}",),
    )
    refused(site, "the signature of ankara is wrong")


def copy_of_entries(site):
    store = SqliteStore.read_only(site.folder / "old.db")
    try:
        return [Entry.from_bytes(data) for data in store.entries()]
    finally:
        store.close()


# -- older formats, and snapshots that lie -----------------------------------------------------------------------------


def test_an_old_format_checkpoint_is_refused_where_entries_are_archived(site):
    told(site.world)
    site.archive()
    alter(site, lambda w: w.update(version=1))
    refused(site, "not of state format 3")


def test_an_old_format_checkpoint_is_rebuilt_where_entries_are_held(world):
    told(world)
    store = copy_of(world.head.store)
    (note,) = store.notes(Table.CHECKPOINTS)
    payload = note.payload.replace(b'"version":2', b'"version":1')
    digest = hashlib.sha256(payload).hexdigest()
    store._keys -= {(Table.CHECKPOINTS, note.number, note.digest)}
    store._notes[Table.CHECKPOINTS] = [dataclasses.replace(note, payload=payload, digest=digest)]
    again = Replica(store, key_of("ankara"), world.clock, genesis=world.genesis)
    assert again.core.state.digest() == world.head.replica.core.state.digest()


def test_a_snapshot_of_the_previous_format_is_refused():
    body = Body(
        chain="c0" * 32,
        number=4,
        previous="11" * 32,
        time=9,
        cohort=NAMES,
        content=Snapshot(entries=4, root="aa" * 32, state="bb" * 32),
    )
    data = body.to_bytes()
    assert Body.from_bytes(data) == body
    for old in (data.replace(b'"format":3,', b""), data.replace(b'"format":3,', b'"format":2,')):
        with pytest.raises(LedgerRefusedError, match="not of state format 3"):
            Body.from_bytes(old)


@pytest.mark.parametrize("field", ["state", "root", "entries"])
def test_p2_the_auditor_reports_a_false_snapshot_that_all_sites_signed(tmp_path, field):
    """The attack: every site's program signs a false snapshot, for the compacted files that will lean on it."""
    world = World().found()
    world.agree(a_charge(world.budget))
    right = Snapshot(
        entries=2,
        root=merkle_root(world.head.replica.core.hashes),
        state=world.head.replica.core.state.digest(),
    )
    place = world.head.replica.core.state.place
    false = dataclasses.replace(right, **{field: 1 if field == "entries" else "00" * 32})
    for content, is_whole in ((right, True), (false, False)):
        body = Body(
            chain=world.genesis.chain,
            number=2,
            previous=place.previous,
            time=place.time,
            cohort=NAMES,
            content=content,
        )
        path = tmp_path / f"{is_whole}.db"
        store = SqliteStore(path, owner="ankara")
        store.append([*world.entries(), complete_of(body.to_bytes())])
        store.close()
        (file,) = verify([path]).files
        assert file.first_bad == (None if is_whole else 2)
        assert ("the snapshot differs" in file.reason) is not is_whole


def test_law_a_tree_that_grows_has_the_root_of_the_whole():
    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(70)]
    tree = MerkleTree()
    for count, leaf in enumerate(leaves):
        assert tree.root() == merkle_root(leaves[:count])
        tree.add(leaf)


def test_law_the_hash_of_used_requests_is_unique_and_independent_of_chunks():
    asked = [("ada", f"{n:032x}", "", 0, 0) for n in range(5)] + [('a","b', "\x1f\n", "r", 1, 2)]
    grown = UsedRequests()
    for once in asked:
        grown.add(once)
    for at in range(len(asked) + 1):
        cut = UsedRequests()
        cut.take_over(asked[:at])
        cut.take_over([list(once) for once in asked[at:]])
        assert cut.digest() == grown.digest()
        assert all(once in cut for once in asked)
    others = [asked[1:], asked[:-1], asked[::-1], [*asked, asked[0]], [("ada,", *asked[0][1:]), *asked[1:]]]
    digests = {grown.digest()}
    for other in others:
        used = UsedRequests()
        used.take_over(other)
        digests.add(used.digest())
    assert len(digests) == len(others) + 1
