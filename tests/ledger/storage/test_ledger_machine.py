"""State machine of any history: proposals, refusals, losses, crashes at every write, old backups, cancellations, forks."""

import contextlib
import dataclasses
import itertools
from fractions import Fraction

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from privacy_accounting.budget import PopulationBudget, plan_sub_budget
from privacy_accounting.errors import LedgerForkedError, LedgerRefusedError
from privacy_accounting.ledger.contents import BudgetChange, Charge, Exact
from privacy_accounting.ledger.entries import Entry, sign_body
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.replication.sequencer import Draft
from privacy_accounting.ledger.replication.snapshots import snapshot_draft
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.store import Table
from tests.examples import TIMES
from tests.ledger.ledger_world import (
    NAMES,
    RELATION,
    Crash,
    World,
    a_charge,
    admit_all,
    an_exact,
    cancel_of,
    check_quickly,
    complete_message,
    copy_of,
    key_of,
    settle,
)

HEAD = NAMES[0]


def refuse_charges(body):
    if isinstance(body.content, Charge):
        raise LedgerRefusedError(reason="no charges today")


def attempt(world, *contents, cohort=None):
    """Agree, where the sequencer may be down or die on the way."""
    if not world.head.up or not world.head.replica.core.is_usable:
        return None
    try:
        return world.agree(*contents, cohort=cohort)
    except Crash:
        world.head.up = False
    except LedgerRefusedError:
        # Nothing to do before the genesis entry, or behind after a restore: a later step recovers.
        pass
    return None


class LedgerMachine(RuleBasedStateMachine):
    sites = st.sampled_from(NAMES)

    def __init__(self):
        super().__init__()
        self.world = World()
        self.backups = {}
        self.entries = []

    @initialize()
    def found(self):
        self.world.found()

    def keep(self, result):
        if result is not None:
            self.entries += list(result.entries.values())

    @rule(count=st.integers(1, 3), costly=st.booleans())
    def query(self, count, costly):
        charges = [a_charge(self.world.budget, noise=2 if costly else 20) for _ in range(count)]
        self.keep(attempt(self.world, *charges))

    @rule(cohort=st.sets(sites, min_size=2), attempts=st.integers(0, 2))
    def train(self, cohort, attempts):
        for number in range(attempts + 1):
            charge = a_charge(self.world.budget, noise=20, run="run", round_=1, attempt=number)
            self.keep(attempt(self.world, charge, cohort=cohort))

    @rule()
    def ask_exactly(self):
        self.keep(attempt(self.world, an_exact()))

    @rule()
    def raise_the_budget(self):
        """A raise is an entry of all sites; what was spent stays spent."""
        world = self.world
        if not world.head.up or not world.head.replica.core.is_usable:
            return
        old = world.head.replica.privacy_filter.populations["cardiology"]
        order = old.sub_budgets["query"].order
        epsilon = old.epsilon + Fraction(1, 2)
        part = plan_sub_budget(
            epsilon=epsilon, delta=old.delta, share=Fraction(1), relation=RELATION, orders=[order]
        )
        budget = PopulationBudget(epsilon=epsilon, delta=old.delta, sub_budgets={"query": part})
        spent = world.head.replica.privacy_filter.spent("cardiology", "query")
        result = attempt(world, BudgetChange(population="cardiology", budget=budget))
        if result is not None and result.entries:
            (entry,) = result.entries.values()
            assert set(entry.signatures) == set(NAMES)
            assert world.head.replica.privacy_filter.spent("cardiology", "query") == spent

    @rule()
    def snapshot(self):
        """From here on every restart begins at a checkpoint."""
        world = self.world
        if world.head.up and world.head.replica.core.is_usable and world.head.replica.head >= 0:
            attempt(world, snapshot_draft(world.head.replica).content)

    @rule(name=sites)
    def a_start_from_a_checkpoint_is_one_from_the_beginning(self, name):
        store = copy_of(self.world.sites[name].store)
        slow = copy_of(store)
        slow._notes[Table.CHECKPOINTS] = []
        slow._keys = {key for key in slow._keys if key[0] is not Table.CHECKPOINTS}
        quick, whole = (
            Replica(each, key_of(name), self.world.clock, genesis=self.world.genesis)
            for each in (store, slow)
        )
        if quick.head >= 0:
            assert quick.core.state.digest() == whole.core.state.digest()
            assert quick.core.hashes == whole.core.hashes
            assert quick.core.state.used._all == whole.core.state.used._all
            assert {d: p.number for d, p in quick.core.doubts.items()} == {
                d: p.number for d, p in whole.core.doubts.items()
            }

    @rule(name=sites)
    def one_site_refuses(self, name):
        self.world.sites[name].admit = refuse_charges
        self.keep(attempt(self.world, a_charge(self.world.budget), an_exact()))
        self.world.sites[name].admit = admit_all

    @rule(name=sites.filter(lambda n: n != HEAD), answer=st.booleans())
    def network_loses(self, name, answer):
        (self.world.lost_after if answer else self.world.lost_before).add(name)

    @rule()
    def network_heals(self):
        self.world.lost_before.clear()
        self.world.lost_after.clear()

    @rule(name=sites, writes=st.integers(0, 4), after=st.booleans())
    def crash_soon(self, name, writes, after):
        store = self.world.sites[name].store
        store.countdown, store.after = writes, after

    @rule(name=sites)
    def restart(self, name):
        self.world.restart(name)

    @rule(name=sites)
    def back_up(self, name):
        self.backups[name] = copy_of(self.world.sites[name].store)

    @rule(name=sites)
    def restore_old_backup(self, name):
        world = self.world
        if name not in self.backups:
            return
        if name == HEAD:
            # Restoring the sequencer needs every site: what only the lost disk held cannot be known otherwise.
            for other in NAMES[1:]:
                world.restart(other)
        if (
            max(s.store.height() for n, s in world.sites.items() if n != name)
            < world.sites[name].store.height()
        ):
            return
        world.restart(name, copy_of(self.backups[name]))

    @rule(data=st.data())
    def run(self, data):
        if self.entries:
            entry = data.draw(st.sampled_from(self.entries))
            self.world.run(
                entry, data.draw(st.lists(st.sampled_from(entry.body.cohort), min_size=1, unique=True))
            )

    @rule(data=st.data())
    def cancel(self, data):
        if self.entries:
            entry = data.draw(st.sampled_from(self.entries))
            attempt(self.world, cancel_of(entry), cohort=entry.body.cohort)

    @rule(data=st.data())
    def cancel_races_a_start(self, data):
        """A site starts between the proposal of a cancellation and its own answer to it."""
        world = self.world
        if not self.entries or not world.head.up or not world.head.replica.core.is_usable:
            return
        entry = data.draw(st.sampled_from(self.entries))
        starter = data.draw(st.sampled_from(entry.body.cohort))
        try:
            proposal = world.sequencer.propose(
                [Draft(cohort=entry.body.cohort, content=cancel_of(entry))], admit_all
            )
        except LedgerRefusedError:
            return
        except Crash:
            world.head.up = False
            return
        world.run(entry, [starter])
        asked = world.sequencer.participants if world.head.replica.core.is_usable else ()
        for name in asked:
            for site, answer in world.carry({name: [proposal]}).items():
                if answer:
                    with contextlib.suppress(LedgerRefusedError):
                        world.sequencer.collect(site, answer)
        try:
            sequencer = world.sequencer
            end = sequencer.withdraw("refused") if sequencer.missing else complete_message(sequencer.commit())
        except Crash:
            world.head.up = False
        except LedgerRefusedError:
            # The sequencer was among those that started, and died of its note.
            assert not world.head.replica.core.is_usable
        else:
            world.carry({name: [end] for name in NAMES[1:]})

    @rule(name=sites)
    def sequencer_proposes_and_dies(self, name):
        """The proposal reaches one site, then the sequencer is gone."""
        world = self.world
        try:
            proposal = world.sequencer.propose(
                [Draft(cohort=NAMES, content=a_charge(world.budget, noise=20))], admit_all
            )
        except (Crash, LedgerRefusedError):
            return
        if name != HEAD:
            world.carry({name: [proposal]})
        world.restart(HEAD)

    @rule()
    def committed_but_not_sent(self):
        world = self.world
        if not world.head.up or not world.head.replica.core.is_usable:
            return
        kept = world.carry

        def swallow(messages):
            complete = any(b'"type":"complete"' in data for datas in messages.values() for data in datas)
            return {} if complete else kept(messages)

        world.carry = swallow
        self.keep(attempt(world, a_charge(world.budget, noise=20)))
        world.carry = kept

    @rule(data=st.data())
    def forged_history_is_a_fork(self, data):
        """All keys together sign another body for a number: whoever sees both says so and stops."""
        heights = [name for name in NAMES if self.world.sites[name].store.height() > 1]
        if not heights:
            return
        site = self.world.sites[data.draw(st.sampled_from(heights))]
        number = data.draw(st.integers(1, site.store.height() - 1))
        entry = Entry.from_bytes(site.store.entries(number, 1)[0])
        if not isinstance(entry.body.content, Charge | Exact):
            return
        body = dataclasses.replace(entry.body, time=entry.body.time + 1)
        unsigned = Entry(data=body.to_bytes(), body=body, signatures={})
        signatures = {name: sign_body(key_of(name), unsigned.hash) for name in entry.signatures}
        forged = dataclasses.replace(unsigned, signatures=signatures)
        witness = Replica(copy_of(site.store), key_of(site.name), self.world.clock)
        with pytest.raises(LedgerForkedError) as caught:
            witness.catch_up([forged.to_bytes()], source="cairo")
        assert caught.value.number == number
        with pytest.raises(LedgerForkedError):
            witness.start(entry)

    @invariant()
    def holds(self):
        check_quickly(self.world)

    def teardown(self):
        settle(self.world)


LedgerMachine.TestCase.settings = settings(max_examples=12 * TIMES, stateful_step_count=20, deadline=None)
LedgerMachine.TestCase.pytestmark = [pytest.mark.costly_law]
TestLedgerMachine = LedgerMachine.TestCase


# -- a crash at every write of one long history ----------------------------------------------------------------------------


def history(world):
    """Yield steps that together write everything a ledger writes."""
    entries = []

    def keep(result):
        entries.extend(result.entries.values() if result else ())

    yield lambda: keep(attempt(world, world.genesis.content))
    yield lambda: keep(attempt(world, a_charge(world.budget)))
    yield lambda: entries[1:] and world.run(entries[1])
    yield lambda: keep(attempt(world, a_charge(world.budget), an_exact()))
    yield lambda: world.sites["cairo"].__setattr__("admit", refuse_charges)
    yield lambda: keep(attempt(world, a_charge(world.budget)))
    yield lambda: world.sites["cairo"].__setattr__("admit", admit_all)
    yield lambda: keep(attempt(world, a_charge(world.budget, run="r", round_=1), cohort=("ankara", "basel")))
    yield lambda: entries[2:] and attempt(world, cancel_of(entries[-1]), cohort=entries[-1].body.cohort)
    yield lambda: keep(attempt(world, a_charge(world.budget)))
    yield lambda: entries[2:] and world.run(entries[-1])


def tell(world, victim, at, *, after):
    """Run the history with one crash; give whether it happened."""
    world.sequencer.recover(world.heads())
    store = world.sites[victim].store
    store.countdown, store.after = at, after
    for step in history(world):
        step()
        site = world.sites[victim]
        if not site.up or not site.replica.core.is_usable:
            world.restart(victim)
    happened = store.countdown is None
    settle(world)
    return happened


QUICK = {(HEAD, True), ("cairo", False)}  # the others are slow


@pytest.mark.parametrize(
    ("victim", "after"),
    [
        pytest.param(
            victim,
            after,
            id=f"{victim}-{'after' if after else 'before'}",
            marks=() if (victim, after) in QUICK else pytest.mark.slow,
        )
        for victim in NAMES
        for after in (False, True)
    ],
)
def test_p1_p2_a_crash_at_every_write_loses_and_repeats_nothing(victim, after):
    for at in itertools.count():
        if not tell(World(), victim, at, after=after):
            break
    assert at >= (14 if victim == HEAD else 9)


@pytest.mark.parametrize("victim", [HEAD, "cairo"])
def test_p1_p2_the_same_on_files(victim, tmp_path):
    for at in range(0, 15, 3):
        folder = tmp_path / f"{victim}{at}"
        folder.mkdir()
        world = World(stores=lambda name, folder=folder: SqliteStore(folder / f"{name}.db", owner=name))
        tell(world, victim, at, after=bool(at % 2))
        for site in world.sites.values():
            site.store.close()
