"""Many queries at once get right answers; a node at its limit refuses before the charge."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hospitals import BY_SEX

from federation.consortium.limits import Limits
from federation.errors import PolicyRefusedError, SiteUnavailableError
from federation.node.admission.concurrency import UNUSED_S, ConcurrencyLimit
from smpc.errors import PeerRejectedError

QUESTIONS = {
    BY_SEX: None,
    "SELECT COUNT(*) AS n, AVG(age) AS a FROM patients": None,
    "SELECT disease, COUNT(*) AS n FROM patients GROUP BY disease": None,
    "SELECT sex, SUM(age) AS s FROM patients GROUP BY sex": None,
}


def entries(session):
    return max(h.ledger_number for h in session.health().values() if getattr(h, "role", "") == "site")


def test_eight_questions_at_once_get_the_answers_that_they_get_alone(session):
    """Guarded answers, each with a session of all sites and the dealer of its own, and private ones between them."""
    alone = {text: session.sql(text, exact=True).rows for text in QUESTIONS}
    begin = entries(session)
    texts = [*QUESTIONS] * 2

    def ask(text):
        rows = session.sql(text, exact=True).rows
        private = session.sql(text, epsilon=0.01, fresh=True)
        return rows, len(private.rows)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, texts))
    for text, (rows, n_private) in zip(texts, answers, strict=True):
        assert rows == alone[text]
        assert n_private == len(rows)
    assert entries(session) == begin + 2 * len(texts)


def test_with_all_reservations_in_use_a_query_is_refused_free(private_world, monkeypatch):
    monkeypatch.setattr(private_world._queue, "patience_s", 0.5)
    slots = private_world.nodes["hungary"]._services.queries._states.places
    taken = [slots.reserve("analyst") for _ in range(Limits().sessions)]
    before = entries(private_world)
    with pytest.raises(SiteUnavailableError) as caught:
        private_world.sql(BY_SEX, exact=True)
    assert caught.value.site == "hungary"
    assert "16 questions are in progress here, the maximum by limits.sessions" in caught.value.reason
    assert "the site had no capacity within 0.5 s" in caught.value.reason
    assert entries(private_world) == before
    for slot in taken:
        slot.release()
    assert private_world.sql(BY_SEX, exact=True).rows[0][1] == 194
    # and whoever asked and was served has left every place at every site
    assert {
        len(node._services.queries._states.places._reserved) for node in private_world.nodes.values()
    } <= {0, 1}
    assert {
        node._services.queries._states.places._running.total() for node in private_world.nodes.values()
    } == {0}


def test_a_query_beyond_the_memory_limit_is_refused_before_the_charge(private_world):
    """Mining by its public bounds, whatever turns out to be frequent."""
    table, items = private_world.table("patients"), ["sex=M", "disease", "exang"]
    admission = private_world.nodes["hungary"]._admission
    limits, admission.limits = admission.limits, Limits(session_bytes=1 << 10)
    before = entries(private_world)
    with pytest.raises(PolicyRefusedError) as caught:
        table.frequent_itemsets(items, min_support=0.2, max_len=2, exact=True)
    assert caught.value.site == "hungary"
    assert caught.value.rule.startswith("limits.session_bytes: at most 1024 bytes, this question takes ")
    assert entries(private_world) == before
    admission.limits = limits
    assert len(table.frequent_itemsets(items, min_support=0.2, max_len=2, exact=True).itemsets) == 6


def test_a_dealer_takes_part_in_so_many_sessions_at_once(private_world, monkeypatch):
    """The dealer refuses a site that opens sessions which no party joins, and serves genuine sessions."""
    from federation.node.helpers import dealer as dealer_node
    from federation.protocol.exchange import expect, send
    from federation.protocol.messages import Ack, Deal

    monkeypatch.setattr(dealer_node, "MOST_SESSIONS", 3)
    dealer = next(node for node in private_world.assistants if node.name == "dealer")
    released = threading.Event()

    def no_party_joins(*_):
        released.wait(10)
        raise PeerRejectedError(reason="no party joined")

    with monkeypatch.context() as patched:
        patched.setattr(dealer.network, "open_mesh", no_party_joins)
        network = private_world.nodes["hungary"].network
        line = network.dial("dealer", "request", 5)
        for number in range(4):
            call = Deal(
                session_id=bytes([number]) * 32, request_hash=bytes(32), parties=[*private_world.nodes]
            )
            send(line, call)
            if number < 3:
                assert isinstance(expect(line, network, Ack, timeout_s=5), Ack)
            else:
                with pytest.raises(PeerRejectedError, match="3 sessions are in progress"):
                    expect(line, network, Ack, timeout_s=5)
        line.close()
        released.set()
        for thread in set(dealer._threads):
            thread.join(5)
    assert private_world.sql(BY_SEX, exact=True).rows[0][1] == 194


def test_an_unused_reservation_goes_to_the_next_analyst():
    now = [0.0]
    slots = ConcurrencyLimit(site="anna", limit=2, clock=lambda: now[0])
    first, second = slots.reserve("analyst"), slots.reserve("analyst")
    with pytest.raises(SiteUnavailableError):
        slots.reserve("analyst")
    now[0] = UNUSED_S
    third = slots.reserve("analyst")
    assert not first.is_reserved
    assert second.is_reserved
    with second.running(), third.running():  # who runs keeps the place, however long
        now[0] = 100 * UNUSED_S
        with pytest.raises(SiteUnavailableError):
            slots.reserve("analyst")
        with first.running():  # charged before its place was given away: runs all the same
            assert slots._running.total() == 3
    assert slots.reserve("analyst").is_reserved


def test_reservations_are_never_lost_among_threads():
    slots, seen = ConcurrencyLimit(site="anna", limit=4), []
    gate = threading.Barrier(12)

    def work(number):
        gate.wait(10)
        for turn in range(200):
            try:
                slot = slots.reserve("analyst")
            except SiteUnavailableError:
                continue
            if (number + turn) % 3:
                with slot.running():
                    seen.append(slots._running.total())
            slot.release()

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, range(12)))
    assert max(seen) <= 4
    assert (slots._running.total(), len(slots._reserved)) == (0, 0)
