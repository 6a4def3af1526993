"""State machine of amendments, removals, transfers, compactions, backups, crashes, lost messages and wrong clocks."""

import contextlib
import dataclasses
import tempfile
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from federation.consortium.amending.administrator_approvals import Approvals
from federation.consortium.amending.amendments import (
    Amendment,
    Change,
    change_order,
    raise_budget,
    remove_site,
    transfer_sequencer,
)
from federation.errors import AmendmentRejectedError, ApprovalMissingError
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.replication.snapshots import snapshot_draft
from privacy_accounting.ledger.state import ChainState
from tests.examples import TIMES
from tests.ledger.ledger_world import a_charge, an_exact, cancel_of
from tests.operations.consortium_fixture import FOUR, Town, copied

NAMES = st.sampled_from(FOUR)
WHAT = st.sampled_from(["raise", "over", "over", "lose", "order"])
WHO = st.sampled_from([None, None, None, None, *FOUR])


class TownMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.town = Town()
        self.folder = tempfile.TemporaryDirectory()
        self.consents = {name: Approvals(Path(self.folder.name) / name) for name in FOUR}
        self.agreed, self.checked = set(), 0
        self.motions, self.backups, self.entries, self.entered = [], {}, [], []
        for name in FOUR:
            self.town.sites[name].admit = self.admit(name)

    def admit(self, name):
        def check(body):
            try:
                self.consents[name].check(body, self.town.sites[name].replica.core.state, site=name)
            except ApprovalMissingError as error:
                raise LedgerRefusedError(reason="no consent") from error

        return check

    def state(self, name):
        return self.town.sites[name].replica.core.state

    def who(self, name):
        """A site that is up and believes, rightly or not, that it orders; mostly the one that does."""
        sites = self.town.sites
        if name is None:
            up = [site for each, site in sites.items() if self.town.usable(each)]
            name = max(up, key=lambda site: site.replica.head).replica.sequencer if up else None
        believes = name is not None and self.town.usable(name) and sites[name].replica.sequencer == name
        return name if believes else None

    # -- work ---------------------------------------------------------------------------------------------------------

    @rule(name=WHO, count=st.integers(1, 3), costly=st.booleans())
    def ask(self, name, count, costly):
        if (name := self.who(name)) is not None:
            budget = self.state(name).privacy_filter.populations["cardiology"]
            charges = [a_charge(budget, noise=2 if costly else 20) for _ in range(count)]
            self.entries += self.town.enter(name, *charges, an_exact())

    @rule(name=WHO, cohort=st.sets(NAMES, min_size=2, max_size=3), attempt=st.integers(0, 1))
    def train(self, name, cohort, attempt):
        if (name := self.who(name)) is not None:
            budget = self.state(name).privacy_filter.populations["cardiology"]
            charge = a_charge(budget, noise=20, run="r" * 64, round_=1, attempt=attempt)
            self.entries += self.town.enter(name, charge, cohort=cohort)

    @rule(name=WHO)
    def pin(self, name):
        if (name := self.who(name)) is not None:
            self.town.enter(name, snapshot_draft(self.town.sites[name].replica).content)

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def run_or_cancel(self, data):
        entry = data.draw(st.sampled_from(self.entries))
        name = data.draw(NAMES)
        if data.draw(st.booleans()):
            self.town.run(entry, [name] if name in entry.body.cohort else None)
        elif (name := self.who(name)) is not None:
            self.town.enter(name, cancel_of(entry), cohort=entry.body.cohort)

    # -- motions ------------------------------------------------------------------------------------------------------

    @rule(name=NAMES, about=NAMES, to=NAMES, what=WHAT)
    def propose(self, name, about, to, what):
        self.propose_at(name, about, to, what)

    def propose_at(self, name, about, to, what):
        state = self.state(name)
        now = state.privacy_filter.populations["cardiology"]
        with contextlib.suppress(AmendmentRejectedError):
            if what == "raise":
                self.motions.append(raise_budget(state, "cardiology", now.epsilon + Fraction(1, 2)))
            elif what == "over":
                self.motions.append(transfer_sequencer(state, to))
            elif what == "lose":
                self.motions.append(
                    remove_site(state, about, sequencer=to if about == state.members().sequencer else "")
                )
            else:
                order = Fraction(16 if now.sub_budgets["query"].order != 16 else 32)
                self.motions.append(change_order(state, "cardiology", "query", order))

    def say_yes(self, name, motion):
        with contextlib.suppress(AmendmentRejectedError):
            motion.check_fits(self.state(name))
            self.consents[name].agree(motion)
            self.agreed.add((name, motion.digest))

    @precondition(lambda self: self.motions)
    @rule(data=st.data(), names=st.sets(NAMES))
    def agree_to(self, data, names):
        motion = data.draw(st.sampled_from(self.motions[-3:]))
        for name in sorted(names):
            self.say_yes(name, motion)

    @precondition(lambda self: self.motions)
    @rule(data=st.data(), name=NAMES)
    def take_back(self, data, name):
        motion = data.draw(st.sampled_from(self.motions[-3:]))
        self.consents[name].revoke(motion)
        if motion.digest not in {digest for digest, _ in self.entered}:
            self.agreed.discard((name, motion.digest))

    @precondition(lambda self: self.motions)
    @rule(data=st.data(), name=WHO)
    def a_bold_node_enters(self, data, name):
        """The sequencer proposes against its own rules: old amendments, those of others, and amendments without approval."""
        motion = data.draw(st.sampled_from([self.motions[-1], *self.motions]))
        name = self.last_to_sign(motion) if name is None else name
        if name is not None and self.town.usable(name) and not self.is_up(motion.leaves_out):
            members = set(self.town.sites[name].replica.members) - {motion.leaves_out}
            self.town.enter(name, motion.content, cohort=members)

    @rule(about=NAMES, to=NAMES, what=WHAT, silent=WHO)
    def a_motion_is_carried(self, about, to, what, silent):
        """Proposed, agreed to by all or by all but one, and entered as a node does."""
        name, count = self.who(None), len(self.motions)
        if what == "lose" and about == name:
            name = to
        if name is None or not self.town.usable(name):
            return
        self.propose_at(name, about, to, what)
        for motion in self.motions[count:]:
            if motion.leaves_out:
                self.lay_down(motion.leaves_out)
            for each in FOUR:
                if each != silent:
                    self.say_yes(each, motion)
            name = self.last_to_sign(motion)
            if name is None or self.is_up(motion.leaves_out) or not self.town.usable(name):
                return
            site = self.town.sites[name]
            with contextlib.suppress(AmendmentRejectedError):
                motion.check_fits(site.replica.core.state)
                self.town.enter(name, motion.content, cohort=set(site.replica.members) - {motion.leaves_out})

    def is_up(self, lost):
        return lost != "" and self.town.sites[lost].up

    def last_to_sign(self, motion):
        """Who signs a motion last, as far as anybody up knows."""
        up = [site for name, site in self.town.sites.items() if self.town.usable(name)]
        orders = max(up, key=lambda site: site.replica.head).replica.sequencer if up else None
        return motion.content.sequencer if motion.leaves_out == orders else orders

    def lay_down(self, lost):
        """A site is lost; an entry that it alone committed would be a fork, as is said to whoever leaves it out."""
        town = self.town
        others = [site.store.height() for name, site in town.sites.items() if name != lost and site.up]
        if others and max(others) >= town.sites[lost].store.height():
            town.sites[lost].up = False

    # -- misfortune ---------------------------------------------------------------------------------------------------

    @rule(
        name=NAMES,
        what=st.sampled_from(["before", "after", "crash", "crash after", "clock"]),
        writes=st.integers(0, 4),
        seconds=st.sampled_from([-400, -250, 250, 400]),
    )
    def misfortune(self, name, what, writes, seconds):
        """A word or an answer gets lost from here on, a site dies at a write to come, a clock jumps."""
        town, store = self.town, self.town.sites[name].store
        if what in {"before", "after"}:
            (town.lost_before if what == "before" else town.lost_after).add(name)
        elif what == "clock":
            town.skew[name] = seconds
        else:
            store.countdown, store.after = writes, what == "crash after"

    @rule(restarts=st.booleans())
    def a_good_day(self, restarts):
        """Words arrive, clocks are right, and who died, or only some, comes back."""
        town = self.town
        town.lost_before.clear()
        town.lost_after.clear()
        town.skew = dict.fromkeys(FOUR, 0)
        town.now += 1_000
        for name in FOUR:
            if restarts and not town.usable(name) and name not in town.lost_for_good:
                town.boot(name)

    @rule(name=NAMES)
    def come_back(self, name):
        """Also who was left out, and who ordered before."""
        self.town.boot(name)

    @rule(name=NAMES)
    def back_up(self, name):
        self.backups[name] = copied(self.town.sites[name].store)

    @rule(name=NAMES)
    def put_an_old_backup_back(self, name):
        """Not of who orders now: what only its disk held cannot be known otherwise."""
        town = self.town
        town.look()
        heights = [site.store.height() for other, site in town.sites.items() if other != name]
        if (
            name in self.backups
            and town.folded().members().sequencer != name
            and max(heights) >= town.sites[name].store.height()
        ):
            town.boot(name, copied(self.backups[name]))

    @rule(name=NAMES)
    def compact(self, name):
        self.town.compact(name)

    @rule(name=NAMES, altered=st.integers(0, 3))
    def an_altered_archive_is_refused_at_the_altered_entry(self, name, altered):
        town, site = self.town, self.town.sites[name]
        town.look()
        head = site.replica.head
        datas = town.seen[head + 1 : head + 2 + altered]
        if not town.usable(name) or len(datas) <= altered:
            return
        entry = Entry.from_bytes(datas[altered])
        signer = min(entry.signatures)
        forged = {**entry.signatures, signer: bytes(64)}
        datas[altered] = dataclasses.replace(entry, signatures=forged).to_bytes()
        site.store.countdown = None
        with pytest.raises(LedgerRefusedError, match="signature"):
            site.replica.catch_up(datas, source="archive")
        assert site.replica.head == head + altered

    # -- what holds ---------------------------------------------------------------------------------------------------

    @invariant()
    def every_change_was_agreed_to_by_all_who_signed_it(self):
        town = self.town
        town.look()
        fresh = [Entry.from_bytes(data).body.content for data in town.seen[self.checked :]]
        if any(isinstance(content, Change) for content in fresh):
            self.check_changes(self.checked)
        self.checked = len(town.seen)

    def check_changes(self, before):
        state = ChainState()
        for number, data in enumerate(self.town.seen):
            entry = Entry.from_bytes(data)
            content = entry.body.content
            if number >= before and isinstance(content, Change):
                motion = Amendment(chain=entry.body.chain, basis=state.basis_of(content), content=content)
                assert all((name, motion.digest) in self.agreed for name in entry.signatures), motion.text()
                assert motion.digest not in {digest for digest, _ in self.entered}, "entered twice"
                self.entered.append((motion.digest, number))
                if motion.leaves_out:
                    self.town.lost_for_good.add(motion.leaves_out)
            signers = set(entry.signatures)
            assert not signers & self.gone_before(number), "signed after it was left out"
            state.apply(entry)

    def gone_before(self, number):
        gone = set()
        for _, at in self.entered:
            content = Entry.from_bytes(self.town.seen[at]).body.content
            if at < number and getattr(content, "change", "") == "lose":
                gone.add(content.name)
        return gone

    @invariant()
    def nothing_runs_twice(self):
        assert len({(site, session) for site, session, _ in self.town.ran}) == len(self.town.ran)

    def teardown(self):
        try:
            self.town.settle()
            self.every_change_was_agreed_to_by_all_who_signed_it()
            self.check_changes(len(self.town.seen))
        finally:
            self.folder.cleanup()


TownMachine.TestCase.settings = settings(max_examples=10 * TIMES, stateful_step_count=40, deadline=None)
TownMachine.TestCase.pytestmark = [pytest.mark.costly_law]
TestTownMachine = TownMachine.TestCase
