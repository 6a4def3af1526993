"""A query waits while all reservations are in use; a node answers it when one is free, and refuses it at the limit."""

import threading
import time

import pytest

from federation.client.queueing import QuestionQueue
from federation.errors import FederationError, SiteBusyError, SiteUnavailableError
from federation.node.admission.concurrency import ConcurrencyLimit
from federation.protocol.messages import Accepted, Ask

PATIENT_S = 60.0


def wait_for(condition):
    ends_at = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


class Queue:
    """Questions that wait for a place, each in a thread; the order in which they are served."""

    def __init__(self, slots):
        self.slots, self.served, self.held, self.threads = slots, [], {}, []

    def ask(self, analyst, name):
        n_waiting = len(self.slots._waiting)

        def wait():
            self.held[name] = self.slots.reserve(analyst, patience_s=PATIENT_S)
            self.served.append(name)

        self.threads.append(threading.Thread(target=wait))
        self.threads[-1].start()
        wait_for(lambda: len(self.slots._waiting) == n_waiting + 1)

    def all_served(self, number):
        wait_for(lambda: len(self.served) == number)


def test_the_next_reservation_goes_to_the_analyst_with_fewest_then_first():
    slots = ConcurrencyLimit(site="anna", limit=3)
    running = [slots.reserve(analyst) for analyst in ("mallory", "mallory", "alice")]
    queue = Queue(slots)
    with running[2].running():
        with running[1].running():
            with running[0].running():
                for analyst, name in (("mallory", "m1"), ("alice", "a1"), ("bob", "b1"), ("bob", "b2")):
                    queue.ask(analyst, name)
                with pytest.raises(SiteBusyError):
                    slots.reserve("alice")  # an analyst that does not wait overtakes no other
            queue.all_served(1)
        queue.all_served(2)
    queue.all_served(3)
    assert queue.served == ["b1", "m1", "a1"]
    for name in ("b1", "m1", "a1"):
        queue.held[name].release()
    queue.all_served(4)
    for thread in queue.threads:
        thread.join()
    assert not slots._waiting


def test_who_waits_and_leaves_is_forgotten():
    slots = ConcurrencyLimit(site="anna", limit=1)
    with slots.reserve("alice").running(), pytest.raises(SiteBusyError):
        slots.reserve("alice", patience_s=PATIENT_S, has_left=lambda: True)
    assert not slots._waiting
    assert slots.reserve("bob").is_reserved


def test_a_session_has_so_many_questions_under_way_and_says_so():
    turns = QuestionQueue(answer_s=1.0, patience_s=0.05, most=1)
    with turns.own(), pytest.raises(FederationError, match="1 questions of this session"), turns.own():
        pytest.fail("two under way")
    with turns.own():
        pass


class Busy:
    """Channels to two sites of which one never has a place."""

    def __init__(self, said):
        self.channels, self.said, self.n_asked, self.released = {"anna": None, "bert": None}, said, 0, []

    def visit(self):
        self.n_asked += 1
        raise SiteBusyError(site=self.said, reason="all places are in use")

    def ask_one(self, name, message, kind, *, timeout_s):
        assert (name, message.request, kind) == (self.said, b"r", Accepted)
        self.visit()

    def release(self, names, timeout_s):
        self.released += names


@pytest.mark.parametrize("said", ["anna", "absent"])
def test_a_busy_site_is_asked_at_growing_intervals_and_then_no_more(said):
    lines, turns = Busy(said), QuestionQueue(answer_s=1.0, patience_s=0.5)
    ask = Ask(request=b"r", signature=b"s")
    with pytest.raises(SiteUnavailableError, match=f"{said}.*the site had no capacity within 0.5 s"):
        turns.answered(lines, ask, lines.visit)
    assert 2 <= lines.n_asked <= 7


def test_a_place_at_one_site_is_released_while_another_site_is_busy():
    """Two clients that each hold a place and wait for the other's would wait for ever."""
    said = iter(["anna", "bert", "bert", ""])
    lines, turns, reserved = Busy("anna"), QuestionQueue(answer_s=1.0), []
    lines.ask_one = lambda name, *_, **__: reserved.append(name)

    def visit():
        site = next(said)
        if not site:
            return "answer"
        raise SiteBusyError(site=site, reason="all places are in use")

    assert turns.answered(lines, Ask(request=b"r", signature=b"s"), visit) == "answer"
    assert reserved == ["anna", "bert", "bert"]
    assert lines.released == ["anna"]
