"""Many questions at once: right answers, and a named refusal before the charge where a node has enough to do."""

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
        private = session.sql(text, epsilon=0.01)
        return rows, len(private.rows)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, texts))
    for text, (rows, n_private) in zip(texts, answers, strict=True):
        assert rows == alone[text]
        assert n_private == len(rows)
    assert entries(session) == begin + 2 * len(texts)


def test_with_every_place_in_use_a_question_is_refused_by_name_and_free(private_world, monkeypatch):
    monkeypatch.setattr(private_world._queue, "patience_s", 0.5)
    slots = private_world.nodes["hungary"]._counter._slots
    taken = [slots.reserve("analyst") for _ in range(Limits().sessions)]
    before = entries(private_world)
    with pytest.raises(SiteUnavailableError) as caught:
        private_world.sql(BY_SEX, exact=True)
    assert caught.value.site == "hungary"
    assert "16 questions are under way here, the most by limits.sessions" in caught.value.reason
    assert "the site had no capacity within 0.5 s" in caught.value.reason
    assert entries(private_world) == before
    for slot in taken:
        slot.release()
    assert private_world.sql(BY_SEX, exact=True).rows[0][1] == 194
    # and whoever asked and was served has left every place at every site
    assert {len(node._counter._slots._reserved) for node in private_world.nodes.values()} <= {0, 1}
    assert {node._counter._slots._running.total() for node in private_world.nodes.values()} == {0}


def test_what_takes_more_memory_than_a_session_may_is_refused_before_the_charge(private_world):
    """Mining by its public bounds, whatever turns out to be frequent."""
    table, items = private_world.table("patients"), ["sex=M", "disease", "exang"]
    desk = private_world.nodes["hungary"]._desk
    limits, desk.limits = desk.limits, Limits(session_bytes=1 << 10)
    before = entries(private_world)
    with pytest.raises(PolicyRefusedError) as caught:
        table.frequent_itemsets(items, min_support=0.2, max_len=2, exact=True)
    assert caught.value.site == "hungary"
    assert caught.value.rule.startswith("limits.session_bytes: at most 1024 bytes, this question takes ")
    assert entries(private_world) == before
    desk.limits = limits
    assert len(table.frequent_itemsets(items, min_support=0.2, max_len=2, exact=True).itemsets) == 6


def test_a_dealer_takes_part_in_so_many_sessions_at_once(private_world, monkeypatch):
    """A site that calls it for sessions which nobody joins is refused by name, and those who ask in earnest go on."""
    from federation.node.helpers import dealer as room
    from federation.protocol.exchange import expect, send
    from federation.protocol.messages import Ack, Deal

    monkeypatch.setattr(room, "MOST_SESSIONS", 3)
    dealer = next(node for node in private_world.assistants if node.name == "dealer")
    released = threading.Event()

    def nobody_comes(*_):
        released.wait(10)
        raise PeerRejectedError(reason="nobody came")

    with monkeypatch.context() as patched:
        patched.setattr(dealer.network, "open_mesh", nobody_comes)
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
                with pytest.raises(PeerRejectedError, match="3 sessions are under way"):
                    expect(line, network, Ack, timeout_s=5)
        line.close()
        released.set()
        for thread in set(dealer._threads):
            thread.join(5)
    assert private_world.sql(BY_SEX, exact=True).rows[0][1] == 194


def test_a_place_that_was_asked_for_and_not_used_goes_to_the_next():
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


def test_places_are_never_lost_whatever_many_threads_do():
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
