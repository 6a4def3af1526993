"""Real processes, killed at random points or racing for the last unit; only their files remain."""

import contextlib
import os
import random
import signal
import time
from fractions import Fraction

import pytest

from privacy_accounting.audit.verify import verify
from privacy_accounting.errors import AccountingError
from privacy_accounting.ledger.contents import Charge
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.replication.sequencer import Sequencer
from privacy_accounting.ledger.replication.snapshots import snapshot_draft, snapshot_due
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from tests.ledger.ledger_world import NAMES, World, a_budget, a_charge, an_exact, check_invariants

HEAD = NAMES[0]


def child(work):
    """Run something in a forked process; its parent gets the pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def open_world(folder, budget):
    """The consortium as its files have it, every node just started; all or none of the files are held."""
    stores = {}
    try:
        for name in NAMES:
            stores[name] = SqliteStore(folder / f"{name}.db", owner=name)
        world = World(budget=budget, stores=stores.get)
        for name in NAMES:
            world.catch_up(name)
        world.sequencer = Sequencer(world.head.replica)
        world.sequencer.recover(world.heads())
    except AccountingError:
        for store in stores.values():
            store.close()
        raise
    return world


def close(world):
    for site in world.sites.values():
        site.store.close()


def live(folder, budget, seed, ready):
    """Propose, sign, run, for ever; whatever leaves a site is first written to a journal that outlives the process."""
    chosen = random.Random(seed)
    world = open_world(folder, budget)
    world.now += seed * 10
    journal = os.open(folder / "left", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    if not world.head.store.height():
        world.agree(world.genesis.content)
    while True:
        if snapshot_due(world.head.replica, every=40):
            world.agree(snapshot_draft(world.head.replica).content)
        nonce = chosen.getrandbits(120)
        wanted = [a_charge(budget, noise=4000, nonce=nonce + i) for i in range(chosen.choice((1, 1, 3)))]
        entries = world.agree(*wanted).entries.values()
        os.write(ready, b"!")
        for entry in entries:
            for name in NAMES:
                with contextlib.suppress(AccountingError):
                    session = world.sites[name].replica.start(entry)
                    os.write(
                        journal,
                        f"{name} {session.hex()} {entry.hash.hex()} {entry.body.content.cost}\n".encode(),
                    )


def check(folder, budget):
    """Nothing torn, nothing ran unpaid or twice, the total covers all that left, and the next entry works."""
    world = open_world(folder, budget)
    lines = (folder / "left").read_text().splitlines() if (folder / "left").exists() else []
    left = [line.split(" ") for line in lines]
    assert all(len(each) == 4 for each in left)
    assert len({(name, session) for name, session, _, _ in left}) == len(left)
    if world.head.store.height():
        held = {bytes.fromhex(hashed): int(cost) for _, _, hashed, cost in left}
        assert held.keys() <= set(world.head.replica.core.hashes)
        spent = world.head.replica.privacy_filter.spent("cardiology", "query")
        assert spent >= sum(held.values())
        heads = {site.replica.core.state.digest() for site in world.sites.values()}
        assert len(heads) == 1
    close(world)


def crash_history(folder, kills):
    budget = a_budget(epsilon=Fraction(50))
    chosen = random.Random(20261125)
    for seed in range(kills):
        heard, ready = os.pipe()
        pid = child(lambda seed=seed, ready=ready: live(folder, budget, seed, ready))
        os.close(ready)  # a child that dies alone gives an end of file, not a wait
        if seed % 2:  # every second one dies behind its first entry, the others mostly while they start
            os.read(heard, 1)
        time.sleep(chosen.uniform(0.0, 0.04))
        os.kill(pid, signal.SIGKILL)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL
        os.close(heard)
        check(folder, budget)
    world = open_world(folder, budget)
    world.now += kills * 10 + 10
    if not world.head.store.height():
        world.agree(world.genesis.content)
    assert world.agree(an_exact(nonce=1)).entries
    check_invariants(world)
    height = world.head.store.height()
    close(world)
    report = verify([folder / f"{name}.db" for name in NAMES])
    assert report.ok, report
    return height


def test_p1_p2_sigkill_at_random_points(tmp_path):
    assert crash_history(tmp_path, 24) > 12


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_p1_p2_sigkill_at_a_thousand_random_points(tmp_path):
    assert crash_history(tmp_path, 1_000) > 500


def ask_until_answered(folder, budget, number):
    """One request of one process among many on the same files: entered, or refused for lack of budget; retried else."""
    chosen = random.Random(number)
    asked = a_charge(budget, noise=Fraction(5, 2), nonce=10_000 + number)
    while True:
        with contextlib.suppress(AccountingError):
            world = open_world(folder, budget)
            try:
                if any(
                    asked.asked.once == e.body.content.asked.once
                    for e in world.entries()
                    if isinstance(e.body.content, Charge)
                ):
                    return
                refusals = world.agree(asked).refusals
                if any(
                    refusal.code == "BudgetExceededError"
                    for each in refusals.values()
                    for refusal in each.values()
                ):
                    return
            finally:
                close(world)
        time.sleep(chosen.uniform(0, 0.05))


def test_p4_32_racing_processes_admit_exactly_the_affordable_number(tmp_path):
    budget = a_budget(epsilon=Fraction(4))
    world = open_world(tmp_path, budget)
    world.agree(world.genesis.content)
    cost = a_charge(budget, noise=Fraction(5, 2)).cost
    affordable = budget.sub_budgets["query"].allowance // cost
    assert 0 < affordable < 32
    close(world)

    def four(first):
        for number in range(first, first + 4):
            ask_until_answered(tmp_path, budget, number)

    pids = [child(lambda first=first: four(first)) for first in range(0, 32, 4)]
    try:
        for pid in pids:
            assert os.waitpid(pid, 0)[1] == 0
    except BaseException:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        raise
    world = open_world(tmp_path, budget)
    charges = [entry for entry in world.entries() if isinstance(entry.body.content, Charge)]
    assert len(charges) == affordable
    assert len({entry.body.content.asked.once for entry in charges}) == affordable
    assert world.head.replica.privacy_filter.spent("cardiology", "query") == affordable * cost
    close(world)
    assert verify([tmp_path / f"{name}.db" for name in NAMES]).ok
    assert Entry.from_bytes(charges[0].to_bytes()) == charges[0]
