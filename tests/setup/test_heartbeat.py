"""Each side detects a frozen peer at the deadline, though no connection closes."""

import contextlib
import threading
import time

import pytest

from federation.consortium.consortium_file import load_consortium
from federation.identity.certificates import Identity, trust_of
from federation.network.tls import TlsNetwork, addresses_of
from federation.protocol.codec import encode
from federation.protocol.exchange import receive, send
from federation.protocol.messages import HealthAsk
from smpc.errors import PartyLostError
from smpc.transport.connecting.endpoint import Endpoint
from smpc.transport.connecting.listener import Listener

DEADLINE_S = 2  # of the trial consortium


@pytest.fixture
def consortium(consortium_folder, no_threads_left):
    return load_consortium(consortium_folder.consortium)


def endpoint(consortium, path):
    who = Identity.load(path)
    return Endpoint(
        name=who.name,
        identity_file=path,
        trust=trust_of(consortium),
        configuration=bytes.fromhex(consortium.digest()),
    )


def wait_for(condition, limit_s):
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < limit_s
        time.sleep(0.02)
    return time.monotonic() - begun


def test_setup_heartbeat_of_a_frozen_client_is_missed_at_the_deadline(consortium, consortium_folder):
    """The node's handler lets go of it; the analyst's next line makes it welcome again."""
    lost = threading.Event()
    node = TlsNetwork(
        consortium=consortium, identity=Identity.load(consortium_folder.site_identity("anna")), beat_s=0.1
    )

    def handler(line):
        try:
            receive(line, node, timeout_s=None)
        except PartyLostError:
            lost.set()

    node.serve("request", handler)
    frozen = endpoint(consortium, consortium_folder.analyst("analyst"))
    opened = [frozen.dial(node.address, "anna", purpose) for purpose in ("request", "control")]
    try:
        assert node.is_alive("analyst")
        took = wait_for(lambda: not node.is_alive("analyst"), DEADLINE_S + 10)
        assert took > DEADLINE_S - 0.5
        assert lost.wait(10)
        opened.append(frozen.dial(node.address, "anna", "request"))
        wait_for(lambda: node.is_alive("analyst"), 10)
    finally:
        for connection in opened:
            connection.close()
        node.close()


def test_setup_heartbeat_of_a_frozen_node_is_missed_at_the_deadline(consortium, consortium_folder):
    released = threading.Event()

    def hold(connection):
        released.wait(20)

    ours = endpoint(consortium, consortium_folder.site_identity("anna"))
    address = addresses_of(consortium)["anna"]
    callers = {"request": frozenset({"analyst"}), "control": frozenset({"analyst"})}
    frozen = Listener(ours, address, {"request": hold, "control": hold}, callers=callers)
    client = TlsNetwork(
        consortium=consortium, identity=Identity.load(consortium_folder.analyst("analyst")), beat_s=0.1
    )
    try:
        line = client.dial("anna", "request", 5)
        assert client.is_alive("anna")
        begun = time.monotonic()
        with pytest.raises(PartyLostError) as caught:
            receive(line, client, timeout_s=20)
        assert caught.value.name == "anna"
        assert DEADLINE_S - 0.5 < time.monotonic() - begun < DEADLINE_S + 8
        again = client.dial("anna", "request", 5)
        assert client.is_alive("anna")
        again.close()
    finally:
        released.set()
        client.close()
        frozen.stop()


def test_setup_heartbeat_of_a_frozen_program_ends_its_own_channels_alone(consortium, consortium_folder):
    """The fault: one frozen program of an analyst closed the lines of all her programs."""
    node = TlsNetwork(
        consortium=consortium, identity=Identity.load(consortium_folder.site_identity("anna")), beat_s=0.1
    )

    def echo(line):
        with contextlib.suppress(PartyLostError):
            while True:
                line.send(encode(receive(line, node, timeout_s=None)))

    def answers(line):
        send(line, HealthAsk())
        return isinstance(receive(line, running, timeout_s=20), HealthAsk)

    node.serve("request", echo)
    running = TlsNetwork(
        consortium=consortium, identity=Identity.load(consortium_folder.analyst("analyst")), beat_s=0.1
    )
    frozen = endpoint(consortium, consortium_folder.analyst("analyst"))
    opened = []
    try:
        line = running.dial("anna", "request", 5)
        assert answers(line)
        opened = [frozen.dial(node.address, "anna", purpose) for purpose in ("request", "control")]
        with pytest.raises(PartyLostError):
            opened[0].receive_message(100, DEADLINE_S + 20)
        assert node.is_alive("analyst")
        assert answers(line)
    finally:
        for connection in opened:
            connection.close()
        running.close()
        node.close()
