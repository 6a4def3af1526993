"""Two nodes in sessions, and a member that speaks the wire format by hand."""

import time

from smpc.errors import PartyLostError
from smpc.transport.deadline import Deadline
from smpc.transport.mesh import Step
from smpc.transport.wire.frames import NO_SESSION, Kind, session_tag
from smpc.transport.wire.handshake import Lease, encode_lease
from tests.transport.tls_world import (
    CONFIGURATION,
    REQUEST,
    run_all,
)

STEP = Step.OPEN_RING
PAIR = ("ankara", "basel")


def swap(meshes, payload=b"12345678"):
    work = {
        name: lambda name=name, peer=peer: meshes[name].exchange(STEP, {peer: payload}, {peer: len(payload)})
        for name, peer in (PAIR, PAIR[::-1])
    }
    return run_all(work)


def close_all(meshes, error=None):
    for mesh in meshes.values():
        mesh.close(error)


def wait_for(condition, timeout_s=3.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.01)


def stages(nodes, name):
    return sorted(stage.name for _, stage in nodes.plane(name)._pool.stages)


class Intruder:
    """A party of the roster that speaks the wire format by hand, beside its own node."""

    def __init__(self, nodes, *, own="ankara", peer="basel"):
        self.connection = nodes.nodes[own]._endpoint.dial(nodes.nodes[peer].address, peer, "data")
        self.connection.bind(NO_SESSION)

    def lease(self, session_id, *, request=REQUEST, configuration=CONFIGURATION):
        lease = Lease(session_id=session_id, request_hash=request, configuration=configuration)
        self.connection.send_frame(Kind.LEASE, encode_lease(lease), Deadline(2.0))
        self.connection.bind(session_tag(session_id))

    def hear(self, timeout_s=3.0):
        kinds = frozenset({int(Kind.LEASED), int(Kind.REFUSAL), int(Kind.ABORT), int(Kind.END)})
        header, payload = self.connection.receive_frame(kinds, Deadline(timeout_s), length=0)
        return Kind(header.kind), payload

    def raw(self, data):
        self.connection._channel.send(data)

    def is_cut_off(self):
        try:
            self.hear()
        except PartyLostError:
            return True
        return False
