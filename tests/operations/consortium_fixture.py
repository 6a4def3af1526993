"""Four sites whose agreement changes: the ledger sets the sequencer, and stores can be compacted and restored."""

from privacy_accounting.audit.chain_reader import read_chain
from privacy_accounting.audit.local_journal import check_promises
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.contents import Charge
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.replication.agreement import agree
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.replication.sequencer import Draft, Sequencer
from privacy_accounting.ledger.state import ChainState
from privacy_accounting.ledger.storage.compaction import compact, newest_snapshot, says_the_same
from privacy_accounting.ledger.storage.store import MemoryStore, check_numbers
from tests.ledger.ledger_world import Crash, CrashStore, World, an_exact, key_of

FOUR = ("ankara", "basel", "cairo", "delhi")


class Compacted(MemoryStore):
    """A ledger in memory whose old entries are archived."""

    def __init__(self, *, owner, base):
        super().__init__(owner=owner)
        self._base = base

    def first(self):
        return self._base

    def height(self):
        return self._base + len(self._entries)

    def entries(self, first=0, limit=None):
        at = max(0, first - self._base)
        return super().entries(at, limit)

    def append(self, entries, notes=()):
        check_numbers(entries, self.height())
        super().append((), notes)
        self._entries.extend(entry.to_bytes() for entry in entries)


def copied(store):
    """A backup."""
    inner = store.inner if isinstance(store, CrashStore) else store
    copy = Compacted(owner=inner.owner, base=inner.first())
    copy._entries = list(inner._entries)
    copy._notes = {table: list(notes) for table, notes in inner._notes.items()}
    copy._keys = set(inner._keys)
    return copy


class Town(World):
    """A consortium whose sequencer and members change."""

    def __init__(self):
        super().__init__(names=FOUR, stores=lambda name: Compacted(owner=name, base=0))
        self.skew = dict.fromkeys(FOUR, 0)
        self.lost_for_good = set()
        self.archives = []
        self.seen = []
        self.sequencers = {name: Sequencer(site.replica) for name, site in self.sites.items()}
        self.heard_all = dict.fromkeys(FOUR, False)
        self.found()
        for name in FOUR:
            self.boot(name)

    # -- life ---------------------------------------------------------------------------------------------------------

    def boot(self, name, store=None):
        """Begin a site's next life."""
        site = self.sites[name]
        if store is not None:
            site.store = CrashStore(store)
        site.store.countdown = None
        site.up = False
        site.replica = Replica(
            site.store, key_of(name), lambda: self.now + self.skew[name], genesis=self.genesis
        )
        site.up = True
        self.sequencers[name], self.heard_all[name] = Sequencer(site.replica), False
        self.take_longest(name)

    def usable(self, name):
        site = self.sites[name]
        return site.up and site.replica.core.is_usable

    def reaches(self, name):
        """Other sites that a site can ask now; a disconnected site reaches none."""
        if name in self.lost_before:
            return []
        return [
            other for other in FOUR if other != name and self.usable(other) and other not in self.lost_before
        ]

    def take_longest(self, name):
        """What a node does before it signs: take what others have, and archives as an administrator gives them."""
        replica = self.sites[name].replica
        sources = [self.sites[other].store for other in self.reaches(name)]
        try:
            for store in [*self.archives, *sources, *sources] if sources else []:
                while store.first() <= replica.head + 1 < store.height():
                    replica.catch_up(store.entries(replica.head + 1, 64), source=store.owner)
        except Crash:
            self.sites[name].up = False

    # -- the ledger ----------------------------------------------------------------------------------------------------

    def enter(self, name, *contents, cohort=None):
        """Complete submissions as a node does while it acts as sequencer; give the complete entries."""
        if not self.usable(name):
            return []
        self.now += 1
        self.sequencer_name = name
        site, sequencer = self.sites[name], self.sequencers[name]
        try:
            if not self.heard_all[name]:
                self.take_longest(name)
                heads = {other: self.sites[other].replica.head for other in self.reaches(name)}
                sequencer.recover(heads)
                self.heard_all[name] = set(heads) >= set(site.replica.members) - {name}
            drafts = [
                Draft(cohort=tuple(sorted(cohort or site.replica.members)), content=content)
                for content in contents
            ]
            found = agree(sequencer, drafts, site.admit, self.carry)
        except Crash:
            site.up = False
            return []
        except LedgerRefusedError:
            return []
        return list(found.entries.values())

    def carry(self, messages):
        """Nothing comes from, or to, a site that is cut off."""
        if self.sequencer_name in self.lost_before:
            return {}
        for name in messages:
            if self.usable(name) and name not in self.lost_before:
                self.give_way(name)
        return super().carry(messages)

    def give_way(self, name):
        """What a node does when another proposes for a number for which it proposed itself."""
        site, sequencer = self.sites[name], self.sequencers[name]
        number = site.replica.head + 1
        if site.replica.sequencer == name or not sequencer.has_proposed(number):
            return
        self.take_longest(name)
        others = self.reaches(name)
        try:
            told = sequencer.give_way(number, {other: self.sites[other].replica.head for other in others})
        except Crash:
            site.up = False
            return
        except LedgerRefusedError:
            return
        for other in others:
            for data in told if other != self.sequencer_name else ():
                try:
                    self.sites[other].replica.withdrawn(data)
                except Crash:
                    self.sites[other].up = False
                    break

    def compact(self, name):
        """Archive what stands before a site's newest snapshot; its node is stopped meanwhile."""
        store = self.sites[name].store.inner
        try:
            begins = newest_snapshot(store, self.now + 10_000)
        except LedgerRefusedError:
            return
        target = Compacted(owner=name, base=begins)
        compact(store, target, begins)
        assert says_the_same(store, target)
        self.archives.append(copied(store))
        self.archives.sort(key=lambda each: each.first())
        self.boot(name, target)

    # -- what holds ----------------------------------------------------------------------------------------------------

    def look(self):
        """Compare all ledgers, entry by entry, with what was seen before; give what is new."""
        fresh = []
        for name, site in self.sites.items():
            for number, data in enumerate(site.store.entries(), site.store.first()):
                if number < len(self.seen):
                    assert self.seen[number] == data, f"{name} forked at {number}"
        for site in self.sites.values():
            while site.store.first() <= len(self.seen) < site.store.height():
                self.seen += site.store.entries(len(self.seen), 1)
                fresh.append(Entry.from_bytes(self.seen[-1]))
        return fresh

    def folded(self):
        """The state that all entries ever seen give."""
        state = ChainState()
        for data in self.seen:
            state.apply(Entry.from_bytes(data))
        return state

    def settle(self):
        """Heal everything: those who are left agree on one more entry, and every ledger holds the same."""
        self.look()
        self.lost_before.clear()
        self.lost_after.clear()
        self.skew = dict.fromkeys(FOUR, 0)
        self.now += 10_000
        members = self.folded().members()
        for _ in range(2):  # the first to wake finds the others asleep
            for name in FOUR:
                if name in members.keys:
                    self.boot(name)
        assert self.enter(members.sequencer, an_exact()), "wedged"
        self.look()
        state = self.folded()
        for name in members.keys:
            site = self.sites[name]
            assert site.replica.core.state.digest() == state.digest(), name
            assert site.replica.in_doubt == ()
            chain = read_chain(site.store)
            assert (chain.first_bad, chain.reason) == (None, "")
            assert check_promises(site.store, chain)[0] == []
        assert len({(site, session) for site, session, _ in self.ran}) == len(self.ran)
        hashes = {Entry.from_bytes(data).hash: number for number, data in enumerate(self.seen)}
        assert all(not state.cancelled(hashes[hashed]) for _, _, hashed in self.ran)
        paid = sum(
            entry.body.content.cost
            for entry in map(Entry.from_bytes, self.seen)
            if isinstance(entry.body.content, Charge) and not state.cancelled(entry.body.number)
        )
        part = state.privacy_filter.sub_budget("cardiology", "query")
        assert state.privacy_filter.spent("cardiology", "query") <= part.allowance
        if not state.past.moved:
            assert state.privacy_filter.spent("cardiology", "query") == paid
