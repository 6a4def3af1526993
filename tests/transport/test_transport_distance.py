"""A simulated delay: every message takes that time one way, and a series of messages takes no longer."""

import time

import pytest

from smpc.transport.memory import memory_meshes
from smpc.transport.mesh import Step
from tests.transport.tls_world import HELPER, PARTIES, Nodes, run_all

DELAY_S = 0.08
STEP = Step.OPEN_RING
PAIR = ("ankara", "basel")


@pytest.fixture(scope="module")
def far(world):
    with Nodes(world, (*PARTIES, HELPER), delay_s=DELAY_S) as nodes:
        yield nodes


@pytest.fixture(params=["memory", "tls"])
def open_meshes(request):
    opened = []

    def make(names=PARTIES, helper=None):
        if request.param == "memory":
            opened.append(memory_meshes(names, helper, delay_s=DELAY_S))
        else:
            opened.append(request.getfixturevalue("far").meshes(names, helper))
        return opened[-1]

    yield make
    for meshes in opened:
        for mesh in meshes.values():
            mesh.close()


def took(work):
    """When each party's function was done, since all began (s)."""
    begin = time.monotonic()

    def timed(function):
        function()
        return time.monotonic() - begin

    return run_all({name: lambda function=function: timed(function) for name, function in work.items()})


def arrive(low_s, high_s, work, names):
    """No message arrives early, and one arrives in time: a busy machine may be late, but never early."""
    for _ in range(6):
        seconds = [took(work)[name] for name in names]
        assert min(seconds) >= low_s
        if max(seconds) < high_s:
            return
    pytest.fail(f"late every time: {max(seconds):.3f} s, not {high_s:.3f} s")


def test_a_message_is_under_way_for_that_time(open_meshes):
    meshes = open_meshes(PAIR)
    work = {
        "ankara": lambda: meshes["ankara"].exchange(STEP, {"basel": b"x"}, {}),
        "basel": lambda: meshes["basel"].exchange(STEP, {}, {"ankara": 1}),
    }
    arrive(DELAY_S, 1.8 * DELAY_S, work, ["basel"])


def test_a_round_among_all_takes_it_once(open_meshes):
    meshes = open_meshes()

    def rounds(name):
        peers = [peer for peer in PARTIES if peer != name]
        for _ in range(5):
            meshes[name].exchange(STEP, dict.fromkeys(peers, b"12345678"), dict.fromkeys(peers, 8))

    arrive(5 * DELAY_S, 6.8 * DELAY_S, {name: lambda name=name: rounds(name) for name in PARTIES}, PARTIES)


def test_question_and_answer_take_it_twice(open_meshes):
    meshes = open_meshes(helper=HELPER)

    def serve():
        meshes[HELPER].exchange(STEP, {}, dict.fromkeys(PARTIES, 2))
        meshes[HELPER].exchange(STEP, dict.fromkeys(PARTIES, b"abc"), {})

    def ask(name):
        meshes[name].exchange(STEP, {HELPER: b"??"}, {HELPER: 3})

    work = {name: lambda name=name: ask(name) for name in PARTIES} | {HELPER: serve}
    arrive(2 * DELAY_S, 3.5 * DELAY_S, work, PARTIES)


@pytest.mark.parametrize("n_bytes", [8, 200_000])
def test_a_row_of_messages_is_under_way_no_longer_than_one(open_meshes, n_bytes):
    """A distance, not a narrow line."""
    meshes = open_meshes(PAIR)

    def say():
        for _ in range(20):
            meshes["ankara"].exchange(STEP, {"basel": bytes(n_bytes)}, {})

    def hear():
        for _ in range(20):
            meshes["basel"].exchange(STEP, {}, {"ankara": n_bytes})

    arrive(DELAY_S, 2.5 * DELAY_S, {"ankara": say, "basel": hear}, ["basel"])


def test_two_messages_before_a_request_are_delayed_once(open_meshes):
    """A list too long for one frame, then its answer: there and back once."""
    meshes = open_meshes(PAIR)

    def ask():
        meshes["ankara"].exchange(STEP, {"basel": b"first"}, {})
        meshes["ankara"].exchange(STEP, {"basel": b"rest"}, {"basel": 6})

    def answer():
        meshes["basel"].exchange(STEP, {}, {"ankara": 5})
        meshes["basel"].exchange(STEP, {}, {"ankara": 4})
        meshes["basel"].exchange(STEP, {"ankara": b"answer"}, {})

    arrive(2 * DELAY_S, 3.2 * DELAY_S, {"ankara": ask, "basel": answer}, ["ankara"])
