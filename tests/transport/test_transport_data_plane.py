"""Leases, reuse, refusals, distance, and a stop that leaves nothing behind."""

import os
import threading
import time

import pytest

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.connection_pool import Stage
from smpc.transport.mesh import FirstFrame, Step
from smpc.transport.wire.frames import NO_SESSION, Header, Kind, encode_header, session_tag
from smpc.transport.wire.handshake import Lease, Refusal, decode_refusal, encode_lease
from tests.transport.intruder import PAIR, STEP, Intruder, close_all, stages, swap, wait_for
from tests.transport.tls_world import (
    HELPER,
    PARTIES,
    REQUEST,
    Nodes,
    fresh_id,
    outcomes,
    run_all,
)

# -- reuse ---------------------------------------------------------------------------------------------------------


def test_the_next_session_uses_the_connections_of_the_last(pair):
    for _ in range(5):
        meshes = pair.meshes(PAIR)
        assert swap(meshes)["ankara"] == {"basel": b"12345678"}
        close_all(meshes)
        wait_for(lambda: stages(pair, "ankara") == ["IDLE"] and stages(pair, "basel") == ["WAITING"])
    assert [node.n_data_connections for node in pair.nodes.values()] == [0, 1]


def test_sessions_at_once_have_connections_of_their_own_and_keep_them(pair):
    for _ in range(2):
        many = [pair.meshes(PAIR) for _ in range(3)]
        for meshes in reversed(many):
            swap(meshes)
            close_all(meshes)
        wait_for(lambda: stages(pair, "ankara") == ["IDLE"] * 3)
    assert pair.nodes["basel"].n_data_connections == 3


def test_connections_of_an_aborted_session_are_closed(pair):
    meshes = pair.meshes(PAIR)
    swap(meshes)
    meshes["ankara"].close(ValueError())
    with pytest.raises(PartyLostError):
        meshes["basel"].exchange(STEP, {}, {"ankara": 1})
    meshes["basel"].close(PartyLostError(name="ankara"))
    wait_for(lambda: not stages(pair, "ankara") and not stages(pair, "basel"))
    close_all(pair.meshes(PAIR))
    assert pair.nodes["basel"].n_data_connections == 2


def test_an_unread_frame_does_not_reach_the_next_session(pair):
    meshes = pair.meshes(PAIR)
    meshes["ankara"].exchange(STEP, {"basel": b"late"}, {})
    close_all(meshes)
    wait_for(lambda: not stages(pair, "basel"))
    meshes = pair.meshes(PAIR)
    assert swap(meshes)["basel"] == {"ankara": b"12345678"}
    close_all(meshes)


def test_one_side_may_end_long_before_the_other(pair):
    meshes = pair.meshes(PAIR)
    swap(meshes)
    meshes["ankara"].close()
    time.sleep(0.3)
    assert stages(pair, "ankara") == ["ENDING"]
    meshes["basel"].close()
    wait_for(lambda: stages(pair, "ankara") == ["IDLE"])


def test_no_more_idle_connections_are_kept_than_allowed(world):
    with Nodes(world, PAIR, most_per_peer=2) as nodes:
        many = [nodes.meshes(PAIR) for _ in range(5)]
        for meshes in many:
            close_all(meshes)
        wait_for(
            lambda: stages(nodes, "ankara") == ["IDLE"] * 2 and stages(nodes, "basel") == ["WAITING"] * 2
        )


def test_connections_do_not_stay_idle_for_ever(pair, monkeypatch):
    monkeypatch.setattr("smpc.transport.connection_pool.IDLE_S", 0.2)
    close_all(pair.meshes(PAIR))
    wait_for(lambda: stages(pair, "ankara") == ["IDLE"])
    wait_for(lambda: not stages(pair, "ankara") and not stages(pair, "basel"))


# -- leases --------------------------------------------------------------------------------------------------------


def test_a_session_is_opened_once(pair):
    session_id = fresh_id()
    work = {name: lambda n=name: pair.plane(n).open_mesh(session_id, REQUEST, PAIR) for name in PAIR}
    meshes = run_all(work)
    for _ in range(2):
        assert all(isinstance(error, PeerRejectedError) for error in outcomes(work).values())
        close_all(meshes)


def test_parties_that_mean_different_requests_do_not_meet(pair):
    session_id = fresh_id()
    requests = {"ankara": b"a" * 32, "basel": b"b" * 32}
    heard = outcomes(
        {name: lambda n=name: pair.plane(n).open_mesh(session_id, requests[n], PAIR) for name in PAIR}
    )
    assert (heard["basel"].name, heard["ankara"].name) == ("ankara", "basel")
    assert {type(error) for error in heard.values()} == {PeerRejectedError}
    assert "request differs" in heard["ankara"].reason


def test_who_hears_a_refusal_tells_the_third(world):
    with Nodes(world, PARTIES) as nodes:
        session_id = fresh_id()
        requests = dict.fromkeys(PARTIES, REQUEST) | {"cairo": b"c" * 32}
        begin = time.monotonic()
        heard = outcomes(
            {
                name: lambda n=name: nodes.plane(n).open_mesh(session_id, requests[n], PARTIES)
                for name in PARTIES
            }
        )
        assert all(isinstance(error, PartyLostError | PeerRejectedError) for error in heard.values())
        assert time.monotonic() - begin < 8.0  # of 10


def test_lease_of_another_configuration_is_refused(intruder):
    intruder.lease(fresh_id(), configuration=b"x" * 32)
    kind, payload = intruder.hear()
    assert (kind, decode_refusal(payload)) == (Kind.REFUSAL, Refusal.CONFIGURATION)
    assert intruder.is_cut_off()


def test_an_unclaimed_lease_is_refused_at_its_deadline(intruder):
    begin = time.monotonic()
    intruder.lease(fresh_id())
    kind, payload = intruder.hear()
    assert (kind, decode_refusal(payload)) == (Kind.REFUSAL, Refusal.SESSION)
    assert 0.5 < time.monotonic() - begin < 5.0


def test_lease_of_a_session_that_is_over_is_refused_at_once(pair, intruder):
    meshes = pair.meshes(PAIR)
    session_id = next(iter(pair.plane("basel")._open))
    close_all(meshes)
    assert session_id not in pair.plane("basel")._open
    intruder.lease(session_id)
    assert decode_refusal(intruder.hear()[1]) == Refusal.SESSION
    assert "HELD" not in stages(pair, "basel")


def test_second_lease_for_a_running_session_is_refused(pair, intruder):
    meshes = pair.meshes(PAIR)
    intruder.lease(next(iter(pair.plane("basel")._open)))
    assert decode_refusal(intruder.hear()[1]) == Refusal.SESSION
    swap(meshes)
    close_all(meshes)


def test_second_lease_while_the_first_is_held_is_refused(pair, intruder):
    other, session_id = Intruder(pair), fresh_id()
    other.lease(session_id)
    wait_for(lambda: "HELD" in stages(pair, "basel"))
    intruder.lease(session_id)
    assert decode_refusal(intruder.hear()[1]) == Refusal.SESSION
    other.connection.close()


def test_lease_may_come_in_pieces(pair, intruder):
    lease = encode_lease(Lease(session_id=b"s" * 32, request_hash=REQUEST, configuration=b"x" * 32))
    frame = encode_header(Header(kind=Kind.LEASE, tag=NO_SESSION, sequence=0, length=96)) + lease
    for place in range(0, len(frame), 7):
        intruder.raw(frame[place : place + 7])
        time.sleep(0.003)
    intruder.connection.bind(session_tag(b"s" * 32))
    assert decode_refusal(intruder.hear()[1]) == Refusal.CONFIGURATION


@pytest.mark.parametrize("length", [95, 97, 1 << 39])
def test_lease_of_another_size_ends_the_connection(pair, intruder, length):
    intruder.raw(encode_header(Header(kind=Kind.LEASE, tag=NO_SESSION, sequence=0, length=length)))
    assert intruder.is_cut_off()
    swap(pair.meshes(PAIR))


def test_a_stranger_to_the_session_waits_in_vain(world):
    """A node of the roster that takes no part leases the session of others: its lease is never claimed."""
    with Nodes(world, PARTIES, hold_s=0.5) as nodes:
        meshes = nodes.meshes(("ankara", "cairo"))
        intruder = Intruder(nodes, own="basel", peer="cairo")
        intruder.lease(next(iter(nodes.plane("cairo")._open)))
        assert intruder.hear()[0] == Kind.REFUSAL
        intruder.connection.close()
        close_all(meshes)


def test_a_party_that_never_joins_is_named_at_the_deadline(pair):
    for name, peer in (PAIR, PAIR[::-1]):
        begin = time.monotonic()
        with pytest.raises(PartyLostError) as caught:
            pair.plane(name).open_mesh(fresh_id(), REQUEST, PAIR, deadline_s=0.4)
        assert caught.value.name == peer
        assert time.monotonic() - begin < 5.0


def test_a_dead_party_is_named_without_waiting_for_the_deadline(world):
    with Nodes(world, PARTIES, settle_s=0.3) as nodes:
        nodes.nodes["cairo"].stop()
        begin = time.monotonic()
        heard = outcomes(
            {
                n: lambda n=n: nodes.plane(n).open_mesh(b"d" * 32, REQUEST, PARTIES, deadline_s=20)
                for n in PAIR
            }
        )
        assert [error.name for error in heard.values()] == ["cairo", "cairo"]
        assert time.monotonic() - begin < 10.0


@pytest.mark.parametrize(
    ("names", "helper"),
    [(("basel", "cairo"), None), (("ankara", "ankara"), None), (PAIR, "basel"), ((), None)],
)
def test_sessions_that_make_no_sense_are_refused(pair, names, helper):
    with pytest.raises(PeerRejectedError):
        pair.plane("ankara").open_mesh(fresh_id(), REQUEST, names, helper)


@pytest.mark.parametrize(("session_id", "request_hash"), [(b"short", REQUEST), (b"s" * 32, b"")])
def test_ids_and_hashes_have_32_bytes(pair, session_id, request_hash):
    with pytest.raises(PeerRejectedError):
        pair.plane("ankara").open_mesh(session_id, request_hash, PAIR)


# -- distance and end ----------------------------------------------------------------------------------------------


def test_injected_delay_is_paid_once_a_round(world):
    with Nodes(world, PAIR, delay_s=0.05) as nodes:
        meshes = nodes.meshes(PAIR)
        seconds = []
        while min(seconds, default=1) >= 0.4 and len(seconds) < 6:  # a busy machine is late now and then
            begin = time.monotonic()
            for _ in range(4):
                swap(meshes)
            seconds.append(time.monotonic() - begin)
        assert 0.2 <= min(seconds) < 0.4
        close_all(meshes)


def n_sockets():
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return sum(os.readlink(link).startswith("socket:") for link in links if os.path.lexists(link))


def test_stop_leaves_no_thread_and_no_socket(world):
    threads, sockets = set(threading.enumerate()), n_sockets()
    with Nodes(world, (*PARTIES, HELPER)) as nodes:
        close_all(nodes.meshes(PARTIES, HELPER))
        left_open = nodes.meshes(PARTIES, HELPER)
        waiting = threading.Thread(
            target=lambda: outcomes({"ankara": lambda: left_open["ankara"].exchange(STEP, {}, {"basel": 1})})
        )
        waiting.start()
        begin = time.monotonic()
    assert time.monotonic() - begin < 8.0
    waiting.join(5.0)
    assert not [thread for thread in threading.enumerate() if thread not in threads]
    assert n_sockets() == sockets
    for mesh in left_open.values():
        with pytest.raises(PeerRejectedError):
            mesh.exchange(STEP, {}, {})
    with pytest.raises(PeerRejectedError):
        nodes.plane("ankara").open_mesh(fresh_id(), REQUEST, PARTIES)
    nodes.plane("ankara").stop()


def test_stop_is_heard_by_the_others_with_a_name(world):
    with Nodes(world, PARTIES) as nodes:
        meshes = nodes.meshes(PARTIES)
        threading.Timer(0.1, nodes.nodes["cairo"].stop).start()
        heard = outcomes({n: lambda n=n: meshes[n].exchange(STEP, {}, {"cairo": 1}) for n in PAIR})
        assert [error.name for error in heard.values()] == ["cairo", "cairo"]


def test_idle_connection_that_the_peer_closed_is_not_taken(pair):
    close_all(pair.meshes(PAIR))
    wait_for(lambda: stages(pair, "ankara") == ["IDLE"] and stages(pair, "basel") == ["WAITING"])
    pool = pair.plane("basel")._pool
    with pool._changed:
        for pooled in list(pool._pooled.values()):
            assert pooled.stage is Stage.WAITING
            pool._close(pooled)
    wait_for(lambda: not stages(pair, "ankara"))
    swap(pair.meshes(PAIR))


# -- the first frames travel with the lease ------------------------------------------------------------------


def first_of(name, names, payload=b"key of "):
    return FirstFrame(
        kind=Step.KEYS, payloads={peer: payload + name.encode() for peer in names if peer != name}
    )


def opened_with_first(nodes, names, *, requests=None):
    identity = fresh_id()

    def open_one(name):
        request = (requests or {}).get(name, REQUEST)
        return lambda: nodes.plane(name).open_mesh(
            identity, request, names, deadline_s=5, first=first_of(name, names)
        )

    return outcomes({name: open_one(name) for name in names})


def test_the_first_frames_are_there_once_all_have_joined(nodes):
    names = PARTIES
    meshes = opened_with_first(nodes, names)

    def work(name):
        frame = first_of(name, names)
        expected = {peer: len(b"key of " + peer.encode()) for peer in frame.payloads}
        heard = meshes[name].exchange(frame.kind, frame.payloads, expected)
        again = meshes[name].exchange(Step.BARRIER, dict.fromkeys(expected, b"x"), dict.fromkeys(expected, 1))
        return heard, again, meshes[name].counters.messages

    for name, (heard, again, messages) in run_all({n: lambda n=n: work(n) for n in names}).items():
        others = [peer for peer in names if peer != name]
        assert heard == {peer: b"key of " + peer.encode() for peer in others}
        assert again == dict.fromkeys(others, b"x")
        assert messages == 2 * len(others)
    for mesh in meshes.values():
        mesh.close()


def test_another_first_exchange_than_the_one_sent_ahead_is_refused(nodes):
    names = PARTIES
    meshes = opened_with_first(nodes, names)
    peers = [name for name in names if name != names[0]]
    with pytest.raises(PeerRejectedError, match="sent ahead"):
        meshes[names[0]].exchange(Step.OPEN_RING, dict.fromkeys(peers, b"data"), dict.fromkeys(peers, 4))
    for mesh in meshes.values():
        mesh.close()


def test_a_party_with_another_request_is_refused_though_frames_came_with_the_lease(nodes):
    names = PARTIES
    found = opened_with_first(nodes, names, requests={names[-1]: bytes(32)})
    assert all(isinstance(error, PeerRejectedError | PartyLostError) for error in found.values())
