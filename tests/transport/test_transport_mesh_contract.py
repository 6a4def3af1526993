"""The contract of every mesh, checked for memory and TLS meshes alike."""

import os
import threading
import time

import pytest

from smpc.errors import PartyLostError, PeerRejectedError, SmpcError
from smpc.session import Session
from smpc.transport.memory import memory_meshes
from smpc.transport.mesh import Step
from tests.transport.tls_world import HELPER, PARTIES, fresh_id, outcomes, run_all

STEP = Step.OPEN_RING
OTHERS = {name: tuple(peer for peer in PARTIES if peer != name) for name in PARTIES}


@pytest.fixture(params=["memory", "tls"])
def open_meshes(request):
    opened = []

    def make(names=PARTIES, helper=None, *, deadline_s=10.0):
        if request.param == "memory":
            meshes = memory_meshes(names, helper, timeout_s=deadline_s)
        else:
            meshes = request.getfixturevalue("nodes").meshes(names, helper, deadline_s=deadline_s)
        opened.append(meshes)
        return meshes

    yield make
    for meshes in opened:
        for mesh in meshes.values():
            mesh.close()


def all_to_all(meshes, name, payload, *, kind=STEP):
    peers = [peer for peer in meshes[name].names if peer != name]
    expected = dict.fromkeys(peers, len(payload))
    return meshes[name].exchange(kind, dict.fromkeys(peers, payload), expected)


def test_every_party_hears_every_other_in_each_round(open_meshes):
    meshes = open_meshes()

    def work(name):
        return [all_to_all(meshes, name, f"{name[0]}{number:03}".encode()) for number in range(50)]

    heard = run_all({name: lambda name=name: work(name) for name in PARTIES})
    for name, peers in OTHERS.items():
        assert heard[name] == [{peer: f"{peer[0]}{n:03}".encode() for peer in peers} for n in range(50)]


def test_ranks_names_and_counters(open_meshes):
    meshes = open_meshes(helper=HELPER)
    assert {name: mesh.rank for name, mesh in meshes.items()} == {
        "ankara": 0,
        "basel": 1,
        "cairo": 2,
        HELPER: -1,
    }
    assert {mesh.names for mesh in meshes.values()} == {PARTIES}
    assert {mesh.helper for mesh in meshes.values()} == {HELPER}
    run_all({name: lambda name=name: all_to_all(meshes, name, b"12345678") for name in PARTIES})
    counters = meshes["basel"].counters
    assert (counters.rounds, counters.messages) == (1, 2)
    assert counters.bytes_sent == {"ankara": 8, "cairo": 8}
    assert meshes[HELPER].counters.rounds == 0


def test_ranks_follow_the_order_given_not_the_alphabet(open_meshes):
    meshes = open_meshes(("cairo", "ankara"))
    assert (meshes["cairo"].rank, meshes["ankara"].rank) == (0, 1)


def test_unequal_payloads_and_one_way_frames(open_meshes):
    meshes = open_meshes()
    heard = run_all(
        {
            "ankara": lambda: meshes["ankara"].exchange(
                STEP, {"basel": b"", "cairo": bytes(70_000)}, {"cairo": 3}
            ),
            "basel": lambda: meshes["basel"].exchange(STEP, {}, {"ankara": 0}),
            "cairo": lambda: meshes["cairo"].exchange(
                STEP, {"ankara": memoryview(b"abc")}, {"ankara": 70_000}
            ),
        }
    )
    assert heard == {
        "ankara": {"cairo": b"abc"},
        "basel": {"ankara": b""},
        "cairo": {"ankara": bytes(70_000)},
    }


def test_a_party_may_be_many_rounds_ahead(open_meshes):
    meshes = open_meshes(("ankara", "basel"))

    def hear():
        time.sleep(0.1)
        return [meshes["basel"].exchange(STEP, {}, {"ankara": 4})["ankara"] for _ in range(20)]

    def say():
        for number in range(20):
            meshes["ankara"].exchange(STEP, {"basel": f"{number:04}".encode()}, {})

    assert run_all({"hear": hear, "say": say})["hear"] == [f"{n:04}".encode() for n in range(20)]


def test_helper_takes_part_with_every_party(open_meshes):
    meshes = open_meshes(helper=HELPER)

    def serve():
        asked = meshes[HELPER].exchange(Step.MATERIAL, {}, dict.fromkeys(PARTIES, 2))
        meshes[HELPER].exchange(Step.MATERIAL, {name: bytes([n] * n) for n, name in enumerate(PARTIES)}, {})
        return asked

    def ask(rank, name):
        meshes[name].exchange(Step.MATERIAL, {HELPER: name[:2].encode()}, {})
        return meshes[name].exchange(Step.MATERIAL, {}, {HELPER: rank})[HELPER]

    work = {name: lambda rank=rank, name=name: ask(rank, name) for rank, name in enumerate(PARTIES)}
    heard = run_all(work | {HELPER: serve})
    assert heard == {
        "ankara": b"",
        "basel": b"\1",
        "cairo": b"\2\2",
        HELPER: {"ankara": b"an", "basel": b"ba", "cairo": b"ca"},
    }


@pytest.mark.parametrize("change", ["kind", "shorter", "longer"])
def test_a_frame_that_does_not_fit_is_rejected_by_name(open_meshes, change):
    meshes = open_meshes(("ankara", "basel"))
    kind = Step.GATHER if change == "kind" else STEP
    meshes["ankara"].exchange(kind, {"basel": bytes({"shorter": 7, "longer": 9}.get(change, 8))}, {})
    with pytest.raises(PeerRejectedError) as caught:
        meshes["basel"].exchange(STEP, {}, {"ankara": 8})
    assert caught.value.name == "ankara"


def test_strangers_and_oneself_are_no_peers(open_meshes):
    meshes = open_meshes(("ankara", "basel"))
    for stranger in ("cairo", "ankara"):
        with pytest.raises(PeerRejectedError):
            meshes["ankara"].exchange(STEP, {stranger: b""}, {})
        with pytest.raises(PeerRejectedError):
            meshes["ankara"].exchange(STEP, {}, {stranger: 0})


def test_clean_end_then_nothing_more(open_meshes):
    meshes = open_meshes()
    run_all({name: lambda name=name: all_to_all(meshes, name, b"x") for name in PARTIES})
    for mesh in meshes.values():
        mesh.close()
        mesh.close()
        with pytest.raises(PeerRejectedError):
            mesh.exchange(STEP, {}, {})


def test_waiting_for_a_party_that_left_cleanly_names_it(open_meshes):
    meshes = open_meshes()
    meshes["cairo"].close()
    with pytest.raises(PartyLostError) as caught:
        meshes["ankara"].exchange(STEP, {}, {"cairo": 1})
    assert caught.value.name == "cairo"


def test_a_party_that_left_cleanly_does_not_disturb_the_others(open_meshes):
    meshes = open_meshes()
    meshes["cairo"].close()
    heard = run_all(
        {
            "ankara": lambda: meshes["ankara"].exchange(STEP, {"basel": b"a"}, {"basel": 1}),
            "basel": lambda: meshes["basel"].exchange(STEP, {"ankara": b"b"}, {"ankara": 1}),
        }
    )
    assert heard == {"ankara": {"basel": b"b"}, "basel": {"ankara": b"a"}}


@pytest.mark.parametrize(
    ("error", "culprit"),
    [
        (ValueError("out of memory"), "cairo"),
        (PartyLostError(name="basel"), "basel"),
        (PeerRejectedError(reason="wrong", name="ankara"), "ankara"),
        (PeerRejectedError(reason="not a peer", name="absent"), "cairo"),
    ],
)
def test_an_abort_names_the_failed_party_to_waiting_parties(open_meshes, error, culprit):
    meshes = open_meshes()
    threading.Timer(0.1, meshes["cairo"].close, [error]).start()
    begin = time.monotonic()
    heard = outcomes({name: lambda name=name: all_to_all(meshes, name, b"x") for name in ("ankara", "basel")})
    assert [type(error) for error in heard.values()] == [PartyLostError, PartyLostError]
    assert {error.name for error in heard.values()} == {culprit}
    assert time.monotonic() - begin < 6.0  # of 10


def test_an_abort_is_heard_while_waiting_for_another(open_meshes):
    meshes = open_meshes()
    meshes["cairo"].close(PartyLostError(name=HELPER))  # not a member: cairo itself is named
    with pytest.raises(PartyLostError) as caught:
        meshes["ankara"].exchange(STEP, {}, {"basel": 1})
    assert caught.value.name == "cairo"


def test_the_name_of_who_was_lost_first_travels_on(open_meshes):
    meshes = open_meshes()

    def work(name, peer):
        try:
            meshes[name].exchange(STEP, {}, {peer: 1})
        except PartyLostError as error:
            meshes[name].close(error)
            raise

    threading.Timer(0.1, meshes["cairo"].close, [ValueError()]).start()
    heard = outcomes({"ankara": lambda: work("ankara", "basel"), "basel": lambda: work("basel", "ankara")})
    assert {error.name for error in heard.values()} == {"cairo"}


def test_silence_ends_at_the_deadline(open_meshes):
    meshes = open_meshes(("ankara", "basel"), deadline_s=0.4)
    begin = time.monotonic()
    with pytest.raises(PartyLostError) as caught:
        meshes["ankara"].exchange(STEP, {"basel": b"x"}, {"basel": 1})
    assert caught.value.name == "basel"
    assert 0.39 < time.monotonic() - begin < 5.0


def test_after_an_exchange_that_failed_there_is_no_other(open_meshes):
    """Frames of the one that failed may lie there still, and would be taken for the next one's."""
    meshes = open_meshes(deadline_s=0.5)
    meshes["ankara"].exchange(STEP, {"basel": b"first"}, {})
    with pytest.raises(PartyLostError) as caught:
        all_to_all(meshes, "basel", b"first")
    assert caught.value.name == "cairo"
    for name in ("ankara", "cairo"):
        meshes[name].exchange(STEP, {"basel": b"later"}, {})
    with pytest.raises(PeerRejectedError, match="closed here"):
        all_to_all(meshes, "basel", b"later")


def test_a_failed_wait_knows_which_parties_had_sent(open_meshes):
    meshes = open_meshes(deadline_s=0.4)
    meshes["basel"].exchange(STEP, {"ankara": b"x"}, {})
    with pytest.raises(PartyLostError) as caught:
        meshes["ankara"].exchange(STEP, {}, {"basel": 1, "cairo": 1})
    assert caught.value.name == "cairo"
    assert isinstance(caught.value.__cause__, TimeoutError)  # it is late, no more is known
    assert [meshes["ankara"].has_spoken(name) for name in ("basel", "cairo")] == [True, False]
    assert not any(meshes["ankara"].has_ended(name) for name in ("basel", "cairo"))


def test_a_failed_wait_knows_which_parties_had_ended(open_meshes):
    meshes = open_meshes()
    meshes["cairo"].close()
    with pytest.raises(PartyLostError) as caught:
        meshes["ankara"].exchange(STEP, {}, {"cairo": 1})
    assert not isinstance(caught.value.__cause__, TimeoutError)
    assert [meshes["ankara"].has_ended(name) for name in ("basel", "cairo")] == [False, True]
    assert not any(meshes["ankara"].has_spoken(name) for name in ("basel", "cairo"))


def test_who_left_with_an_error_has_not_ended(open_meshes):
    meshes = open_meshes()
    meshes["cairo"].close(ValueError())
    with pytest.raises(PartyLostError):
        meshes["ankara"].exchange(STEP, {}, {"cairo": 1})
    assert not meshes["ankara"].has_ended("cairo")


def test_a_helper_that_has_ended_may_die(open_meshes):
    """Its end is heard in the next exchange of the parties, and no party misses its connection."""
    meshes = open_meshes(helper=HELPER)
    meshes[HELPER].close()
    time.sleep(0.1)
    for _ in range(2):
        heard = run_all({name: lambda name=name: all_to_all(meshes, name, b"x") for name in PARTIES})
        assert all(len(replies) == 2 for replies in heard.values())


def test_large_payloads_both_ways_do_not_block_each_other(open_meshes):
    meshes = open_meshes()
    payload = os.urandom(20_000_000)

    def work(name):
        return set(all_to_all(meshes, name, payload).values())

    assert run_all({name: lambda name=name: work(name) for name in PARTIES}) == {
        key: {payload} for key in PARTIES
    }


def test_large_answer_while_still_sending(open_meshes):
    """One direction is complete long before the other."""
    meshes = open_meshes(("ankara", "basel"))
    heard = run_all(
        {
            "ankara": lambda: meshes["ankara"].exchange(STEP, {"basel": bytes(8_000_000)}, {"basel": 4}),
            "basel": lambda: meshes["basel"].exchange(STEP, {"ankara": b"tiny"}, {"ankara": 8_000_000}),
        }
    )
    assert heard["ankara"] == {"basel": b"tiny"}


def test_closing_from_another_thread_ends_a_wait(open_meshes):
    meshes = open_meshes(("ankara", "basel"))
    threading.Timer(0.2, meshes["ankara"].close, [ValueError()]).start()
    heard = outcomes(
        {
            "ankara": lambda: meshes["ankara"].exchange(STEP, {}, {"basel": 1}),
            "basel": lambda: meshes["basel"].exchange(STEP, {}, {"ankara": 1}),
        }
    )
    assert isinstance(heard["ankara"], PeerRejectedError)
    assert heard["basel"].name == "ankara"


def test_many_sessions_at_once_do_not_disturb_each_other(open_meshes):
    sessions = {str(number): open_meshes() for number in range(12)}

    def work(number, name):
        return [all_to_all(sessions[number], name, f"{number:>4}".encode()) for _ in range(20)]

    tasks = {
        f"{number} {name}": lambda n=number, p=name: work(n, p) for number in sessions for name in PARTIES
    }
    for key, heard in run_all(tasks).items():
        number, name = key.split()
        assert heard == [dict.fromkeys(OTHERS[name], f"{number:>4}".encode())] * 20
    sessions["3"]["cairo"].close(
        ValueError()
    )  # after the last round of all: who is still in it would hear of the end
    again = outcomes({n: lambda n=n: all_to_all(sessions[n], "ankara", b"?") for n in ("3",)})
    assert again["3"].name == "cairo"


def test_a_session_opens_over_it(open_meshes):
    meshes, session_id = open_meshes(), fresh_id()

    def work(name):
        with Session(meshes[name], session_id) as session:
            return session.zero_share(5)

    shares = run_all({name: lambda name=name: work(name) for name in PARTIES})
    assert not sum(shares.values()).any()
    assert shares["ankara"].any()


def test_errors_in_one_party_reach_the_others_through_the_session(open_meshes):
    meshes, session_id = open_meshes(), fresh_id()

    def work(name):
        with Session(meshes[name], session_id) as session:
            if name == "basel":
                raise ZeroDivisionError
            return session.exchange(Step.GATHER, b"12")

    heard = outcomes({name: lambda name=name: work(name) for name in PARTIES})
    assert isinstance(heard["basel"], ZeroDivisionError)
    assert {heard[name].name for name in ("ankara", "cairo")} == {"basel"}
    assert all(isinstance(heard[name], SmpcError) for name in ("ankara", "cairo"))
