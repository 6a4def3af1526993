"""A distance that is made up: every message is under way for that time, one way, and a row of them no longer than one."""

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


def test_a_message_is_under_way_for_that_time(open_meshes):
    meshes = open_meshes(PAIR)
    seconds = took(
        {
            "ankara": lambda: meshes["ankara"].exchange(STEP, {"basel": b"x"}, {}),
            "basel": lambda: meshes["basel"].exchange(STEP, {}, {"ankara": 1}),
        }
    )
    assert DELAY_S <= seconds["basel"] < 1.8 * DELAY_S


def test_a_round_among_all_takes_it_once(open_meshes):
    meshes = open_meshes()

    def rounds(name):
        peers = [peer for peer in PARTIES if peer != name]
        for _ in range(5):
            meshes[name].exchange(STEP, dict.fromkeys(peers, b"12345678"), dict.fromkeys(peers, 8))

    for seconds in took({name: lambda name=name: rounds(name) for name in PARTIES}).values():
        assert 5 * DELAY_S <= seconds < 6.8 * DELAY_S


def test_question_and_answer_take_it_twice(open_meshes):
    meshes = open_meshes(helper=HELPER)

    def serve():
        meshes[HELPER].exchange(STEP, {}, dict.fromkeys(PARTIES, 2))
        meshes[HELPER].exchange(STEP, dict.fromkeys(PARTIES, b"abc"), {})

    def ask(name):
        meshes[name].exchange(STEP, {HELPER: b"??"}, {HELPER: 3})

    seconds = took({name: lambda name=name: ask(name) for name in PARTIES} | {HELPER: serve})
    for name in PARTIES:
        assert 2 * DELAY_S <= seconds[name] < 3.5 * DELAY_S


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

    assert DELAY_S <= took({"ankara": say, "basel": hear})["basel"] < 2.5 * DELAY_S


def test_who_says_two_things_and_then_asks_is_not_delayed_twice(open_meshes):
    """A list too long for one frame, then its answer: there and back once."""
    meshes = open_meshes(PAIR)

    def ask():
        meshes["ankara"].exchange(STEP, {"basel": b"first"}, {})
        meshes["ankara"].exchange(STEP, {"basel": b"rest"}, {"basel": 6})

    def answer():
        meshes["basel"].exchange(STEP, {}, {"ankara": 5})
        meshes["basel"].exchange(STEP, {}, {"ankara": 4})
        meshes["basel"].exchange(STEP, {"ankara": b"answer"}, {})

    assert 2 * DELAY_S <= took({"ankara": ask, "basel": answer})["ankara"] < 3.2 * DELAY_S
