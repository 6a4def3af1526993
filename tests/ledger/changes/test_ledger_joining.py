"""A site is added, or replaced after its key was lost: it reads the whole ledger first, and signs its own entry; attacks."""

import contextlib
import dataclasses

import pytest

from federation.consortium.amending.administrator_approvals import Approvals
from federation.consortium.amending.amendments import add_site, remove_site, replace_site
from federation.consortium.consortium_model import Member
from federation.consortium.members_file import read_changes, read_members, write_members
from federation.errors import AmendmentRejectedError, ApprovalMissingError, ConfigError
from privacy_accounting.audit.verify import verify
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.canonical_json import Fields
from privacy_accounting.ledger.changes.members_change import MembersChange
from privacy_accounting.ledger.entries import Body, Entry, body_hash, public_hex, sign_body
from privacy_accounting.ledger.messages import Waiting
from privacy_accounting.ledger.parties.members import Members
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.replication.sequencer import Sequencer
from privacy_accounting.ledger.replication.snapshots import snapshot_draft
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.store import MemoryStore
from tests.ledger.ledger_world import (
    CONSORTIUM,
    NAMES,
    Crash,
    Site,
    World,
    a_charge,
    a_genesis,
    check_invariants,
    complete_of,
    consider,
    key_of,
    propose,
)

FOUR = ("ankara", "basel", "cairo", "delhi")
FOUNDED = Members(keys=a_genesis().content.members, sequencer="ankara")


def place(name="delhi", *, key=None, address="delhi.example:7843"):
    return Member(address=address, fingerprint="ef" * 32, public_key=public_hex(key_of(key or name)))


def entry_of(name="delhi", **changes):
    fields = {"change": "add", "name": name, "key": public_hex(key_of(name)), "sequencer": "ankara"}
    return MembersChange(**fields | {"address": f"{name}.example:7843", "fingerprint": "ef" * 32} | changes)


class JoiningWorld(World):
    """Three sites with a charge, and a fourth that has a key and no entry."""

    def __init__(self, **options):
        super().__init__(**options)
        self.found()
        assert self.agree(a_charge()).entries
        self.make = options.get("stores") or (lambda name: MemoryStore(owner=name))

    def connect(self, *, catch_up=True):
        self.sites["delhi"] = Site(self, "delhi", self.make("delhi"))
        self.names = FOUR
        if catch_up:
            self.catch_up("delhi")

    @property
    def state(self):
        return self.head.replica.core.state


@pytest.fixture
def world():
    return JoiningWorld()


def test_a_site_that_was_added_reads_all_and_signs_its_entry_and_all_after_it(world):
    before = world.state.privacy_filter.spent("cardiology", "query")
    world.connect()
    assert world.agree(entry_of()).entries
    assert world.agree(a_charge()).entries
    assert world.agree(snapshot_draft(world.head.replica).content).entries
    check_invariants(world)
    entries = world.entries()
    assert [set(entry.signatures) for entry in entries] == [set(NAMES)] * 2 + [set(FOUR)] * 3
    assert world.sites["delhi"].store.entries() == world.head.store.entries()
    assert 0 < before < world.state.privacy_filter.spent("cardiology", "query")  # earlier charges stay
    assert [(first, members.names) for first, members in world.state.succession.spans] == [
        (0, NAMES),
        (3, FOUR),
    ]


def test_the_founder_alone_adds_no_site(world):
    """Ankara, which may keep the authority's key, makes an entry with its own and the stranger's signature."""
    forged = Body(
        chain=CONSORTIUM,
        number=2,
        previous=world.head.replica.head_hash.hex(),
        time=world.now,
        cohort=FOUR,
        content=entry_of(),
    ).to_bytes()
    alone = complete_of(forged, ("ankara", "delhi"))
    padded = Entry(
        data=forged,
        body=alone.body,
        signatures=alone.signatures
        | {name: sign_body(key_of("ankara"), body_hash(forged)) for name in ("basel", "cairo")},
    )
    for entry, said in ((alone, "not signed by exactly its sites"), (padded, "signature of basel is wrong")):
        with pytest.raises(LedgerRefusedError, match=said):
            world.sites["basel"].replica.catch_up([entry.to_bytes()], source="ankara")
        with pytest.raises(ConfigError, match=said):
            read_members(write_members([entry]), FOUNDED, CONSORTIUM)
    without = complete_of(forged, NAMES)  # all old sites, and not the new one
    with pytest.raises(LedgerRefusedError, match="not signed by exactly its sites"):
        world.sites["basel"].replica.catch_up([without.to_bytes()], source="ankara")


def test_a_site_signs_only_the_place_that_its_administrator_approved(world, tmp_path):
    world.connect()
    right, other = add_site(world.state, "delhi", place()), place(address="elsewhere.example:1")
    approvals = Approvals(tmp_path / "basel")
    approvals.agree(add_site(world.state, "delhi", other))
    state = world.sites["basel"].replica.core.state

    def admit(body):
        try:
            approvals.check(body, state, site="basel")
        except ApprovalMissingError as error:
            raise LedgerRefusedError(reason=str(error)) from error

    world.sites["basel"].admit = admit
    assert not world.agree(right.content).entries
    body = Body(chain=CONSORTIUM, number=2, previous="00" * 32, time=1, cohort=FOUR, content=right.content)
    with pytest.raises(ApprovalMissingError, match="basel"):
        approvals.check(body, state, site="basel")
    assert approvals.awaited_sites(state) == {"delhi": other}
    approvals.agree(right)
    assert approvals.awaited_sites(state) == {}  # two places for one name: to neither
    approvals.revoke(add_site(world.state, "delhi", other))
    assert world.agree(right.content).entries
    assert approvals.awaited_sites(world.sites["basel"].replica.core.state) == {}


def test_after_the_entry_the_old_set_enters_nothing(world):
    world.connect()
    assert world.agree(entry_of()).entries
    assert world.agree(a_charge(), cohort=NAMES).refusals
    body = Body(
        chain=CONSORTIUM,
        number=3,
        previous=world.head.replica.head_hash.hex(),
        time=world.now,
        cohort=NAMES,
        content=a_charge(),
    ).to_bytes()
    for name in ("basel", "delhi"):
        with pytest.raises(LedgerRefusedError, match="signed by all members"):
            world.sites[name].replica.catch_up([complete_of(body).to_bytes()], source="ankara")


def test_a_question_charged_before_the_entry_runs_after_it_among_its_own_sites(world):
    (charged,) = world.agree(a_charge()).entries.values()
    world.connect()
    (entered,) = world.agree(entry_of()).entries.values()
    world.run(charged, FOUR)
    world.run(entered, FOUR)
    assert {site for site, _, _ in world.ran} == set(NAMES)  # each once, and the new site not at all
    check_invariants(world)


def test_a_charge_proposed_to_the_old_set_before_the_entry_is_given_up_before_it(world):
    """An unfinished question of the three does not stand beside the entry: one number, one entry."""
    data = propose(world, a_charge())
    consider(world, "basel", data)
    world.connect()
    world.restart("ankara")
    assert world.agree(entry_of()).entries
    assert world.sites["basel"].replica.in_doubt == ()
    assert world.agree(a_charge()).entries
    check_invariants(world)


def test_a_joiner_with_half_the_ledger_waits_and_signs_only_behind_the_whole(world):
    world.connect(catch_up=False)
    delhi = world.sites["delhi"].replica
    delhi.catch_up(world.head.store.entries(0, 1), source="basel")
    answer = consider(world, "delhi", propose(world, entry_of(), cohort=FOUR))
    assert isinstance(answer, Waiting)
    assert answer.head == 0
    world.restart("ankara")
    assert world.agree(entry_of()).entries  # the sequencer gives it the rest, each entry with its signatures
    assert world.sites["delhi"].store.entries() == world.head.store.entries()


def test_a_joiner_refuses_an_altered_ledger_and_one_of_another_consortium(world):
    world.connect(catch_up=False)
    delhi = world.sites["delhi"].replica
    genesis, charge = world.entries()
    cheaper = dataclasses.replace(charge.body, content=dataclasses.replace(charge.body.content, cost=1))
    altered = Entry(data=cheaper.to_bytes(), body=cheaper, signatures=charge.signatures)
    with pytest.raises(LedgerRefusedError, match="signature of"):
        delhi.catch_up([genesis.to_bytes(), altered.to_bytes()], source="basel")
    assert delhi.head == 0
    other = complete_of(a_genesis(sequencer="basel").to_bytes())
    fresh = Replica(MemoryStore(owner="delhi"), key_of("delhi"), world.clock, genesis=world.genesis)
    with pytest.raises(LedgerRefusedError, match="genesis entry"):
        fresh.catch_up([other.to_bytes()], source="basel")


def test_a_joiner_that_lacks_a_change_of_members_does_not_approve(world):
    amendment = add_site(world.state, "delhi", place())
    moved = MembersChange(change="sequencer", name="basel", key="", sequencer="basel")
    assert world.agree(moved).entries
    with pytest.raises(AmendmentRejectedError, match="out of date"):
        amendment.check_fits(world.sites["basel"].replica.core.state)


def test_names_and_keys_of_members_and_of_removed_sites_are_refused(world):
    state = world.state
    for given, said in (
        (("basel", place("basel", key="fresh")), "basel is, or was, a site"),
        (("delhi", place(key="basel")), "is, or was, a member's"),
        (("Delhi", place()), "site 'Delhi' must start"),
        (("delhi", place(address="delhi.example:7843").model_copy(update={"address": "x"})), "HOST:PORT"),
    ):
        with pytest.raises(AmendmentRejectedError, match=said):
            add_site(state, *given)
    with pytest.raises(AmendmentRejectedError, match="delhi is not a member"):
        replace_site(state, "delhi", place())
    with pytest.raises(AmendmentRejectedError, match="ankara is the sequencer"):
        replace_site(state, "ankara", place("ankara", key="fresh"))
    with pytest.raises(AmendmentRejectedError, match="is, or was, a member's"):
        replace_site(state, "basel", place("basel"))
    world.sites["cairo"].up, world.names = False, ("ankara", "basel")
    assert world.agree(remove_site(state, "cairo").content).entries
    for name, key in (("cairo", "fresh"), ("delhi", "cairo")):
        with pytest.raises(AmendmentRejectedError, match="is, or was, a"):
            add_site(world.state, name, place(name, key=key))


def test_no_more_than_eight_sites(world):
    for name in ("delhi", "essen", "fez", "ghent", "haifa"):
        world.sites[name] = Site(world, name, MemoryStore(owner=name))
        world.names = (*world.names, name)
        world.catch_up(name)
        assert world.agree(add_site(world.state, name, place(name)).content).entries
    with pytest.raises(AmendmentRejectedError, match="at most 8 sites"):
        add_site(world.state, "izmir", place("izmir"))


def test_an_amendment_says_all_that_it_changes(world):
    amendment = add_site(world.state, "delhi", place())
    said = amendment.text()
    for part in ("delhi", "delhi.example:7843", place().public_key[:16], "ef" * 8):
        assert part in said
    bare = dataclasses.replace(amendment, content=entry_of(address="", fingerprint=""))
    with pytest.raises(AmendmentRejectedError, match="more than its text says"):
        bare.check_fits(world.state)
    moving = dataclasses.replace(amendment, content=entry_of(sequencer="delhi"))
    with pytest.raises(AmendmentRejectedError, match="more than its text says"):
        moving.check_fits(world.state)
    new = replace_site(world.state, "basel", place("basel", key="fresh", address="b2.example:1"))
    assert new.text().startswith("replace the machine and key of basel")
    assert "b2.example:1" in new.text()


def test_the_place_is_written_whole_or_not_at_all():
    whole = entry_of().to_json()
    assert MembersChange.read(Fields(whole, "content")) == entry_of()
    for key in ("address", "fingerprint"):
        part = {name: value for name, value in whole.items() if name != key}
        fields = Fields(part, "content")
        with pytest.raises(LedgerRefusedError):
            MembersChange.read(fields)
            fields.done()
    for change in ("lose", "sequencer"):
        fields = Fields(whole | {"change": change, "key": ""}, "content")
        with pytest.raises(LedgerRefusedError, match="unknown field"):
            MembersChange.read(fields)
            fields.done()


@pytest.mark.parametrize("lost", ["before", "after"])
@pytest.mark.parametrize("who", ["delhi", "cairo"])
def test_an_entry_that_not_all_could_sign_changes_nothing_and_is_entered_the_second_time(world, who, lost):
    world.connect()
    setattr(world, f"lost_{lost}", {who})
    assert not world.agree(entry_of()).entries
    assert {site.replica.head for site in world.sites.values()} == {1}
    world.lost_before, world.lost_after = set(), set()
    for name in FOUR:
        world.restart(name)
    assert world.agree(a_charge(), cohort=NAMES).entries  # the three go on
    world.catch_up("delhi")
    assert world.agree(entry_of()).entries
    assert world.agree(a_charge()).entries
    check_invariants(world)


@pytest.mark.parametrize("victim", FOUR)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", range(3))
def test_a_crash_at_any_write_of_any_site_leaves_all_with_one_state(world, victim, after, write):
    world.connect()
    store = world.sites[victim].store
    store.countdown, store.after = write, after
    with contextlib.suppress(Crash):
        world.agree(entry_of())
    for name in FOUR:
        world.restart(name)
    world.restart("ankara")
    if world.head.replica.head == 1:
        assert world.agree(entry_of()).entries
    for name in FOUR:
        world.catch_up(name)
    assert {site.replica.head for site in world.sites.values()} == {2}
    assert world.agree(a_charge()).entries
    check_invariants(world)


class Replaced(Site):
    """A machine without the lost key."""

    def boot(self):
        super().boot()
        self.replica = Replica(
            self.store, key_of("basel again"), self.world.clock, genesis=self.world.genesis
        )


def test_a_site_without_its_key_goes_on_with_a_new_one_and_the_lost_key_signs_nothing(world):
    lost = world.sites["basel"]
    world.sites["basel"] = Replaced(world, "basel", MemoryStore(owner="basel"))
    world.catch_up("basel")
    assert not world.agree(a_charge()).entries  # before the entry the new key signs nothing
    new = replace_site(world.state, "basel", place("basel", key="basel again", address="b2.example:1"))
    assert world.agree(new.content).entries
    assert world.agree(a_charge()).entries
    assert world.state.members().keys["basel"] == public_hex(key_of("basel again"))
    entries = world.entries()
    lost.replica.catch_up([entry.to_bytes() for entry in entries], source="ankara")
    world.sites["basel"] = lost
    assert not world.agree(a_charge()).entries
    changes, _ = read_changes(write_members(entries[2:3]), FOUNDED, CONSORTIUM)
    assert [(each.name, each.address) for each in changes] == [("basel", "b2.example:1")]


def test_an_export_says_who_signed_which_entry(tmp_path):
    world = JoiningWorld(stores=lambda name: SqliteStore(tmp_path / f"{name}.db", owner=name))
    world.connect()
    assert world.agree(entry_of()).entries
    assert world.agree(snapshot_draft(world.head.replica).content).entries
    assert world.agree(a_charge()).entries
    for name in FOUR:
        world.restart(name)  # from the checkpoint
    world.restart("ankara")
    assert world.agree(a_charge()).entries
    (entry,) = world.state.succession.changes_since(0)
    assert entry.body.content == entry_of()
    for site in world.sites.values():
        site.store.close()
    report = verify([tmp_path / f"{name}.db" for name in FOUR])
    assert report.ok
    assert not report.absent
    assert verify([tmp_path / "ankara.db"]).absent == ("basel", "cairo", "delhi")


def test_the_new_sequencer_may_be_the_site_that_was_added(world):
    world.connect()
    assert world.agree(entry_of()).entries
    moved = MembersChange(change="sequencer", name="delhi", key="", sequencer="delhi")
    assert world.agree(moved).entries
    world.sequencer_name = "delhi"
    world.sequencer = Sequencer(world.sites["delhi"].replica)
    world.sequencer.recover(world.heads())
    assert world.agree(a_charge()).entries
    check_invariants(world)
