"""A site renews its signing key: the entry is signed with the new key, and everything after it; at all sites or at none."""

import contextlib

import pytest

from federation.consortium.members_file import load_members, read_members, write_members
from federation.errors import ConfigError
from privacy_accounting.audit.verify import verify
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.contents import MembersChange
from privacy_accounting.ledger.entries import Entry, public_hex
from privacy_accounting.ledger.parties.members import Members
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.replication.sequencer import Sequencer
from privacy_accounting.ledger.replication.snapshots import snapshot_draft
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from tests.ledger.ledger_world import (
    CONSORTIUM,
    NAMES,
    Crash,
    Site,
    World,
    a_charge,
    a_genesis,
    check_invariants,
    key_of,
)


class Renewing(Site):
    """A site that has a second key at hand, as after ``crossward renew``."""

    key, next_key = None, None

    def boot(self):
        super().boot()
        self.replica = Replica(
            self.store,
            self.key or key_of(self.name),
            self.world.clock,
            genesis=self.world.genesis,
            next_key=self.next_key,
        )


class RenewingWorld(World):
    def __init__(self, who, **options):
        super().__init__(**options)
        self.who = who
        site = self.sites[who] = Renewing(self, who, self.sites[who].store.inner)
        site.next_key = key_of(f"{who} renewed")
        site.boot()
        self.sequencer = Sequencer(self.head.replica)

    @property
    def change(self):
        return MembersChange(
            change="rekey",
            name=self.who,
            key=public_hex(key_of(f"{self.who} renewed")),
            sequencer=self.sequencer_name,
        )

    def restart_with(self, key, next_key=None):
        site = self.sites[self.who]
        site.key, site.next_key = key, next_key
        self.restart(self.who)


@pytest.fixture(params=["ankara", "basel"], ids=["sequencer", "other"])
def world(request):
    return RenewingWorld(request.param).found()


def test_the_renewed_site_signs_the_entry_and_all_after_it_without_a_restart(world):
    assert world.agree(a_charge()).entries
    assert world.agree(world.change).entries
    assert world.agree(a_charge()).entries
    assert world.agree(snapshot_draft(world.head.replica).content).entries
    check_invariants(world)
    old = Members(keys=a_genesis().content.members, sequencer="ankara")
    new = Members(keys=world.head.replica.core.members(5).keys, sequencer="ankara")
    assert new.keys[world.who] == public_hex(key_of(f"{world.who} renewed")) != old.keys[world.who]
    entries = world.entries()
    for entry in (*entries[:2], *entries[3:]):
        right, wrong = (old, new) if entry.body.number < 2 else (new, old)
        right.check_complete(entry)
        with pytest.raises(LedgerRefusedError, match=f"signature of {world.who} is wrong"):
            wrong.check_complete(entry)


def test_after_the_entry_the_old_key_alone_signs_nothing(world):
    assert world.agree(world.change).entries
    world.restart_with(key_of(world.who))
    if world.who == "ankara":
        with pytest.raises(LedgerRefusedError, match="is not the one in the ledger"):
            world.agree(a_charge())
    else:
        assert not world.agree(a_charge()).entries
    world.restart_with(key_of(f"{world.who} renewed"))
    world.restart("ankara")
    assert world.agree(a_charge()).entries
    check_invariants(world)


def test_before_the_entry_the_new_key_alone_signs_nothing(world):
    world.restart_with(key_of(f"{world.who} renewed"))
    if world.who == "ankara":
        with pytest.raises(LedgerRefusedError, match="is not the one in the ledger"):
            world.agree(a_charge())
    else:
        assert not world.agree(a_charge()).entries


def test_a_site_without_the_new_key_does_not_sign_its_own_renewal(world):
    world.restart_with(key_of(world.who))
    if world.who == "ankara":
        with pytest.raises(LedgerRefusedError, match="is not the one in the ledger"):
            world.agree(world.change)
    else:
        assert not world.agree(world.change).entries
    world.restart("ankara")
    assert world.agree(a_charge()).entries


@pytest.mark.parametrize("lost", ["before", "after"])
def test_a_renewal_that_not_all_could_sign_changes_nothing_and_is_entered_the_second_time(world, lost):
    setattr(world, f"lost_{lost}", {"cairo"})
    assert not world.agree(world.change).entries
    assert {site.replica.head for site in world.sites.values()} == {0}
    world.lost_before, world.lost_after = set(), set()
    for name in NAMES:
        world.restart(name)
    assert world.agree(a_charge()).entries  # signed with the old key
    assert world.agree(world.change).entries
    assert world.agree(a_charge()).entries
    check_invariants(world)


@pytest.mark.parametrize("victim", NAMES)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", range(3))
def test_a_crash_at_any_write_of_any_site_leaves_all_with_one_state(world, victim, after, write):
    store = world.sites[victim].store
    store.countdown, store.after = write, after
    with contextlib.suppress(Crash):
        world.agree(world.change)
    for name in NAMES:
        world.restart(name)
    world.restart("ankara")
    if world.head.replica.head == 0:
        assert world.agree(world.change).entries
    for name in NAMES:
        world.catch_up(name)
    assert {site.replica.head for site in world.sites.values()} == {1}
    assert world.agree(a_charge()).entries
    check_invariants(world)


def test_the_file_of_a_renewed_ledger_verifies_from_a_checkpoint_too(tmp_path):
    world = RenewingWorld(
        "basel", stores=lambda name: SqliteStore(tmp_path / f"{name}.db", owner=name)
    ).found()
    assert world.agree(world.change).entries
    assert world.agree(snapshot_draft(world.head.replica).content).entries
    world.restart_with(key_of("basel renewed"))
    assert world.agree(a_charge()).entries
    (entry,) = world.sites["basel"].replica.core.state.succession.changes_since(0)
    assert entry.body.content == world.change
    for site in world.sites.values():
        site.store.close()
    assert verify([tmp_path / f"{name}.db" for name in NAMES]).ok


FOUNDED = Members(keys=a_genesis().content.members, sequencer="ankara")


@pytest.fixture(scope="module")
def changes():
    """Basel renews its key, then cairo is lost."""
    world = RenewingWorld("basel").found()
    world.agree(world.change)
    world.sites["cairo"].up, world.names = False, ("ankara", "basel")
    assert world.agree(MembersChange(change="lose", name="cairo", key="", sequencer="ankara")).entries
    return world.head.replica.core.state.succession.changes_since(0)


def test_members_file_gives_the_keys_of_the_ledger(changes, tmp_path):
    members = read_members(write_members(changes), FOUNDED, CONSORTIUM)
    assert members.names == ("ankara", "basel")
    assert members.keys["basel"] == public_hex(key_of("basel renewed"))
    older = read_members(write_members(changes[:1]), FOUNDED, CONSORTIUM)
    assert older.names == NAMES
    assert load_members(tmp_path / "members.json") == b""


def resigned(entry, signatures):
    return Entry(data=entry.data, body=entry.body, signatures=signatures)


def test_members_file_without_every_signature_out_of_order_or_of_another_ledger_is_refused(changes):
    first, second = changes
    fewer = {name: value for name, value in first.signatures.items() if name != "cairo"}
    swapped = first.signatures | {"cairo": first.signatures["ankara"]}
    for entries, said in (
        ([resigned(first, fewer)], "not signed by exactly its sites"),
        ([resigned(first, swapped)], "the signature of cairo is wrong"),
        ([second], "signature of basel is wrong"),  # without the renewal before it
        ([second, first], "signature of basel is wrong"),
        ([first, first], "out of place"),
    ):
        with pytest.raises(ConfigError, match=said):
            read_members(write_members(entries), FOUNDED, CONSORTIUM)
    with pytest.raises(ConfigError, match="of another consortium"):
        read_members(write_members(changes), FOUNDED, "ab" * 32)
    stranger = Members(keys=FOUNDED.keys | {"cairo": public_hex(key_of("x"))}, sequencer="ankara")
    with pytest.raises(ConfigError, match="signature of cairo is wrong"):
        read_members(write_members(changes), stranger, CONSORTIUM)


def test_no_changed_byte_of_a_members_file_gives_other_keys(changes):
    data = write_members(changes)
    right = read_members(data, FOUNDED, CONSORTIUM).keys
    for place in range(0, len(data) - 1, 7):
        other = bytearray(data)
        other[place] ^= 1
        try:
            found = read_members(bytes(other), FOUNDED, CONSORTIUM).keys
        except ConfigError:
            continue
        assert found == right
        pytest.fail(f"byte {place} may be any")
