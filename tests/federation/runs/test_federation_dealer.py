"""A dealer process killed before, during and after its part; material dealt ahead saves the run."""

import os
import signal
import threading
import time
from contextlib import contextmanager

import pytest
from hospitals import BY_SEX, NAMES, found, in_processes, in_threads, is_at_once
from visits import entry_of, runs_held, share_of, to_all

import federation
from federation.client.spending import Spending
from federation.client.visit import Visit
from federation.errors import SiteUnavailableError
from federation.processes.launcher import Launcher
from federation.protocol.exchange import expect, send
from federation.protocol.messages import Ack, Ask, Deal
from federation.protocol.request import REQUEST_TAG
from privacy_accounting.audit.verify import verify
from smpc.errors import PartyLostError, PeerRejectedError

DEADLINE_S = 4
ITEMS = ["sex=M", "age>=60", "cp=asymptomatic", "chol>=240", "fbs", "exang", "oldpeak>=1", "disease"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with in_processes(tmp_path_factory.mktemp("dealer") / "here", deadline_s=DEADLINE_S) as opened:
        yield opened


def n_entries(session):
    return max(h.ledger_number for h in session.health().values() if getattr(h, "role", "") == "site")


def mined(session):
    return session.table("patients").frequent_itemsets(ITEMS, min_support=0.1, max_len=4, exact=True)


def back(session):
    """A new dealer in the old one's place; the next questions work."""
    session.nodes_started.restart("dealer")
    ends_at = time.monotonic() + 10
    while True:
        try:
            assert [row[1] for row in session.sql(BY_SEX, exact=True).rows] == [194, 726]
            return
        except SiteUnavailableError:
            assert time.monotonic() < ends_at


def test_without_a_dealer_a_query_that_needs_one_is_refused_free(world):
    world.nodes_started.kill("dealer", signal.SIGKILL)
    before = n_entries(world)
    for ask in (lambda: world.sql(BY_SEX, exact=True), lambda: mined(world)):
        with pytest.raises(SiteUnavailableError) as caught:
            for _ in range(2):
                ask()
        assert caught.value.site == "dealer"
    assert n_entries(world) == before
    assert len(world.sql(BY_SEX, epsilon=0.01).rows) == 2  # sums and their noise need no dealer
    back(world)


def visit_of(session, lines):
    planned = session._planned(BY_SEX, None, exact=True, purpose="test")
    ask = Ask(request=planned.data, signature=session._identity.sign(REQUEST_TAG + planned.data))
    return Visit(lines, ask, sequencer="cleveland")


def test_a_dealer_killed_in_the_middle_is_named_by_all_and_the_charge_is_spent(world):
    """It is stopped while the charge is signed, so that the sessions that open meanwhile wait for it, and then killed."""
    before, victim, killed_at = n_entries(world), world.nodes_started, []

    def kill():
        killed_at.append(time.monotonic())
        victim.kill("dealer", signal.SIGKILL)

    with pytest.raises(PartyLostError) as caught, world._pool.question(NAMES) as lines:
        victim.kill("dealer", signal.SIGSTOP)
        visit = visit_of(world, lines)
        charged = visit.charged(Spending(), charge_s=10, answer_s=10)
        timer = threading.Timer(0.6, kill)
        timer.start()
        try:
            visit.shares(charged, run_s=30)
        finally:
            seconds = time.monotonic() - killed_at[0] if killed_at else None
            timer.join()
    assert caught.value.name == "dealer"
    assert seconds is not None
    assert seconds > 0
    assert is_at_once(seconds, DEADLINE_S)
    back(world)
    assert n_entries(world) > before + 1


def test_a_dealer_lost_after_its_last_batch_ends_no_run():
    with in_threads() as session, session._pool.question(NAMES) as lines, runs_held(session) as go:
        planned = session._planned(BY_SEX, None, exact=True, purpose="test")
        to_all(lines, Ask(request=planned.data, signature=session._identity.sign(REQUEST_TAG + planned.data)))
        entry_of(lines)
        prepared = [session.nodes[name]._prepared_sessions._prepared for name in NAMES]
        assert all(each.is_open.wait(10) for found in prepared for each in found.values())
        next(node for node in session.assistants if node.name == "dealer").close()
        go.set()
        assert all(share_of(lines, name) for name in NAMES)


def test_a_dealer_killed_during_mining_is_named_unless_its_part_is_done(world):
    expected, named = len(mined(world).itemsets), []
    for delay_s in (0.03, 0.1):
        timer = threading.Timer(delay_s, world.nodes_started.kill, ["dealer", signal.SIGKILL])
        timer.start()
        try:
            assert len(mined(world).itemsets) == expected
        except (PartyLostError, SiteUnavailableError) as error:
            named.append(getattr(error, "name", getattr(error, "site", "")))
        timer.join()
        back(world)
        assert len(mined(world).itemsets) == expected
    assert set(named) == {"dealer"}


def test_a_dealer_killed_after_its_part_spoils_nothing(world):
    world.sql(BY_SEX, exact=True)
    world.nodes_started.kill("dealer", signal.SIGKILL)
    with pytest.raises((SiteUnavailableError, PartyLostError)):
        for _ in range(2):
            world.sql(BY_SEX, exact=True)
    back(world)
    assert world.sql(BY_SEX, exact=True).rows[0][1] == 194


def test_every_ledger_is_whole_afterwards(world):
    report = verify([world.folders.ledger(name) for name in NAMES])
    assert report.ok, report.to_dict()


def rounds_of(session, n_fewer, at_most=20):
    """The rounds of questions asked one after the other, until so many in a row took fewer than the first."""
    found = []
    while len(found) < at_most and (
        len(set(found)) < 2 or len(set(found[-n_fewer:])) > 1 or found[-1] == found[0]
    ):
        answer = session.sql(BY_SEX, exact=True)
        assert [row[1] for row in answer.rows] == [194, 726]
        found.append(answer.receipt["rounds"])
        time.sleep(0.2)  # until what is dealt ahead has come
    return found


@contextmanager
def with_pools(folder):
    """Processes whose site files allow blocks."""
    folders = found(folder)
    for name in NAMES:
        path = folders.site(name)
        path.write_text(path.read_text() + "\n[limits]\npool_bytes = 1_000_000\n")
    with (
        Launcher(folders) as nodes,
        federation.connect(folders.consortium, identity=folders.analyst("analyst")) as session,
    ):
        session.nodes_started = nodes
        yield session


def test_a_question_like_earlier_ones_takes_a_round_less(tmp_path):
    with with_pools(tmp_path / "here") as session:
        first, *others = rounds_of(session, 2)
        assert others[0] == first  # the kind of question is known now, and its material was not dealt yet
        assert others[-2:] == [first - 1, first - 1]
        assert set(others) == {first, first - 1}
        # a site that starts anew has no block: this question asks the dealer, as do those until blocks are dealt again
        session.nodes_started.kill("hungary", signal.SIGKILL)
        session.nodes_started.restart("hungary")
        ends_at = time.monotonic() + 15
        while True:
            try:
                again = rounds_of(session, 1)
                break
            except (SiteUnavailableError, PartyLostError):
                assert time.monotonic() < ends_at
                time.sleep(0.2)
        assert again[:2] == [first, first]
        assert again[-1] == first - 1


def test_a_site_that_wants_no_pool_is_respected_by_all():
    with in_threads() as session:
        pools = {name: session.nodes[name]._services.queries._runner.pool for name in NAMES}
        for name, pool in pools.items():
            pool._limit_bytes = 0 if name == "hungary" else 1 << 20
        assert len(set(rounds_of(session, 4, at_most=8))) == 1
        assert {pool.n_blocks for pool in pools.values()} == {0}


@pytest.mark.slow
def test_nothing_of_a_pool_is_on_disk(tmp_path):
    with with_pools(tmp_path / "here") as session:
        assert len(set(rounds_of(session, 3))) == 2
        files = {
            os.path.relpath(os.path.join(at, f), tmp_path) for at, _, fs in os.walk(tmp_path) for f in fs
        }
    assert not [name for name in files if "pool" in name or "block" in name or "material" in name]


def test_a_site_alone_or_for_others_calls_the_dealer_for_nothing():
    alone, others = "two parties at least", "not a site"
    with in_threads() as session:
        network = session.nodes["hungary"].network
        line = network.dial("dealer", "request", 5)
        for parties, reason in (
            (["hungary"], alone),
            (["hungary", "hungary"], alone),
            (["hungary", "absent"], others),
            (["cleveland", "switzerland"], others),
        ):
            send(line, Deal(session_id=bytes(32), request_hash=bytes(32), parties=parties))
            with pytest.raises(PeerRejectedError, match=reason):
                expect(line, network, Ack, timeout_s=5)
        line.close()
