"""One contract for the network between threads and between processes over mutual TLS."""

import threading
import time

import pytest

from federation.consortium.consortium_file import load_consortium
from federation.errors import ConfigError
from federation.identity.authority import Authority, in_memory_identity
from federation.identity.certificates import Identity, trust_of
from federation.network.channel import MESSAGE_BYTES
from federation.network.in_memory import MemoryExchange
from federation.network.tls import TlsNetwork, addresses_of
from federation.protocol.exchange import expect, receive, send
from federation.protocol.messages import Ack, Failed, HealthAsk
from smpc.errors import PartyLostError, PeerRejectedError

ROLES = {"anna": "site", "bert": "site", "carl": "site", "dealer": "dealer", "analyst": "analyst"}
DIAL_S = 5.0


class Memory:
    is_tls = False

    def __init__(self, folders):
        self.exchange = MemoryExchange(timeout_s=2)
        self.members = {}

    def open(self, name):
        self.members[name] = self.exchange.network(name, ROLES[name])
        return self.members[name]

    def close(self):
        for member in self.members.values():
            member.close()


class Tls:
    is_tls = True

    def __init__(self, folders):
        self.folders = folders
        self.consortium = load_consortium(folders.consortium)
        self.opened = []

    def identity(self, name):
        place = {
            "site": self.folders.site_identity,
            "analyst": self.folders.analyst,
            "dealer": self.folders.helper,
        }
        return Identity.load(place[ROLES[name]](name))

    def open(self, name):
        network = TlsNetwork(consortium=self.consortium, identity=self.identity(name), beat_s=0.1)
        self.opened.append(network)
        return network

    def close(self):
        for network in self.opened:
            network.close()


@pytest.fixture(params=[Memory, Tls], ids=["memory", "tls"])
def world(request, consortium_folder, no_threads_left):
    made = request.param(consortium_folder)
    yield made
    made.close()


@pytest.fixture
def tls(consortium_folder, no_threads_left):
    made = Tls(consortium_folder)
    yield made
    made.close()


def echo(line):
    while True:
        try:
            line.send(line.peer.encode() + b":" + line.role.encode() + b":" + line.receive(None))
        except PartyLostError:
            return


def served(world, name, purpose="request", handler=echo):
    network = world.open(name)
    network.serve(purpose, handler)
    return network


def test_setup_network_line_carries_messages_both_ways_and_is_reused(world):
    served(world, "anna")
    client = world.open("analyst")
    line = client.dial("anna", "request", DIAL_S)
    assert (line.peer, line.role) == ("anna", "site")
    for message in (b"", b"one", b"x" * (1 << 20), bytes(range(256))):
        line.send(message)
        assert line.receive(5) == b"analyst:analyst:" + message


def test_setup_network_timeout_leaves_the_line_as_it_was(world):
    released = threading.Event()

    def slow(line):
        message = line.receive(None)
        released.wait(5)
        line.send(message)

    served(world, "anna", handler=slow)
    line = world.open("analyst").dial("anna", "request", DIAL_S)
    line.send(b"later")
    for _ in range(3):
        with pytest.raises(TimeoutError):
            line.receive(0.05)
    released.set()
    assert line.receive(5) == b"later"


def test_setup_network_idle_line_stays_open(world):
    """A client thinks between two questions; the node waits with the house's own waiting function."""
    node = world.open("anna")

    def patient(line):
        try:
            while True:
                receive(line, node, timeout_s=None)
                send(line, Ack())
        except PartyLostError:
            return

    node.serve("request", patient)
    client = world.open("analyst")
    line = client.dial("anna", "request", DIAL_S)
    for _ in range(2):
        send(line, HealthAsk())
        assert isinstance(expect(line, client, Ack, timeout_s=5), Ack)
        time.sleep(0.8)


def test_setup_network_line_is_closed_when_its_handler_returns(world):
    served(world, "anna", handler=lambda line: line.send(line.receive(None)))
    line = world.open("analyst").dial("anna", "request", DIAL_S)
    line.send(b"only one")
    assert line.receive(5) == b"only one"
    with pytest.raises(PartyLostError) as caught:
        line.receive(5)
    assert caught.value.name == "anna"


def test_setup_network_own_close_is_final_and_may_be_repeated(world):
    gone = threading.Event()

    def watch(line):
        with pytest.raises(PartyLostError):
            line.receive(5)
        gone.set()

    served(world, "anna", handler=watch)
    line = world.open("analyst").dial("anna", "request", DIAL_S)
    line.close()
    line.close()
    assert gone.wait(2)
    with pytest.raises(PartyLostError):
        line.send(b"x")
    with pytest.raises(PartyLostError):
        line.receive(0.1)


def test_setup_network_purposes_have_their_own_handlers(world):
    node = world.open("anna")
    for purpose in ("request", "ledger"):
        node.serve(purpose, lambda line, purpose=purpose: line.send(purpose.encode()))
    other = world.open("bert")
    other.serve("request", echo)
    for purpose in ("ledger", "request"):
        assert other.dial("anna", purpose, DIAL_S).receive(5) == purpose.encode()


def test_setup_network_unknown_or_absent_peer_is_reported_lost(world):
    client = world.open("analyst")
    for name in ("absent", "bert"):
        with pytest.raises(PartyLostError) as caught:
            client.dial(name, "request", 0.5)
        assert caught.value.name == name
    assert not client.is_alive("absent")


def test_setup_network_departed_peer_is_noticed_before_any_deadline(world):
    node = served(world, "anna")
    client = world.open("analyst")
    line = client.dial("anna", "request", DIAL_S)
    line.send(b"hello")
    line.receive(5)
    begun = time.monotonic()
    node.close()
    with pytest.raises(PartyLostError):
        receive(line, client, timeout_s=5)
    while client.is_alive("anna"):
        assert time.monotonic() - begun < 4
        time.sleep(0.01)


def test_setup_network_close_wakes_whoever_waits(world):
    served(world, "anna")
    client = world.open("analyst")
    line = client.dial("anna", "request", DIAL_S)
    threading.Timer(0.2, client.close).start()
    with pytest.raises(PartyLostError):
        line.receive(10)
    with pytest.raises(PartyLostError):
        client.dial("anna", "request", 1)


def test_setup_network_failure_crosses_with_its_name(world):
    served(
        world, "anna", handler=lambda line: send(line, Failed(code="PartyLostError", fields={"name": "bert"}))
    )
    client = world.open("analyst")
    with pytest.raises(PartyLostError) as caught:
        expect(client.dial("anna", "request", DIAL_S), client, Ack, timeout_s=5)
    assert caught.value.name == "bert"


def test_setup_network_mesh_joins_parties_and_helper(world):
    names = ["anna", "bert", "carl", "dealer"]
    networks = {name: served(world, name) for name in names}
    got = {}

    def take_part(name):
        mesh = networks[name].open_mesh(bytes(32), b"r" * 32, names[:3], "dealer")
        peers = [peer for peer in names if peer != name]
        out = {peer: f"{name}>{peer}".encode() for peer in peers}
        got[name] = mesh.exchange(1, out, {peer: len(f"{peer}>{name}") for peer in peers})
        mesh.close()

    threads = [threading.Thread(target=take_part, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert got == {
        name: {peer: f"{peer}>{name}".encode() for peer in names if peer != name} for name in names
    }


# -- what only TLS can say -------------------------------------------------------------------------------------------


def test_setup_network_nodes_hear_each_other_and_clients_hear_no_node(tls):
    nodes = [served(tls, name) for name in ("anna", "bert")]
    end = time.monotonic() + 5
    while not (nodes[0].hears()["bert"] and nodes[1].hears()["anna"]):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert nodes[0].hears() == {"bert": True, "carl": False, "dealer": False}
    assert tls.open("analyst").hears() == {}


def test_setup_network_analyst_reaches_no_ledger(tls):
    served(tls, "anna", "ledger")
    with pytest.raises(PeerRejectedError, match="purpose"):
        tls.open("analyst").dial("anna", "ledger", DIAL_S)


def test_setup_network_analyst_takes_part_in_no_session(tls):
    with pytest.raises(PeerRejectedError):
        tls.open("analyst").open_mesh(bytes(32), bytes(32), ["anna", "bert"], None)


def test_setup_network_oversized_message_is_refused_before_it_is_stored(tls):
    refused = threading.Event()

    def guarded(line):
        with pytest.raises(PeerRejectedError):
            line.receive(5)
        refused.set()

    served(tls, "anna", handler=guarded)
    line = tls.open("analyst").dial("anna", "request", DIAL_S)
    with pytest.raises((PartyLostError, PeerRejectedError)):
        line.send(b"x" * (MESSAGE_BYTES + 1))
        line.receive(5)
    assert refused.wait(5)


def test_setup_network_another_site_at_the_address_is_not_the_peer(tls, consortium_folder):
    """Two sites swap addresses in one member's file: it reaches the wrong one and says so."""
    served(tls, "anna")
    text = consortium_folder.consortium.read_text()
    a, b = (tls.consortium.file.sites[name].address for name in ("anna", "bert"))
    swapped = text.replace(a, "HERE").replace(b, a).replace("HERE", b)
    path = consortium_folder.root / "swapped.toml"
    path.write_text(swapped)
    client = TlsNetwork(consortium=load_consortium(path), identity=tls.identity("analyst"))
    try:
        with pytest.raises(PeerRejectedError) as caught:
            client.dial("bert", "request", DIAL_S)
        assert caught.value.name == "bert"
    finally:
        client.close()


def test_setup_network_other_configuration_is_refused(tls, consortium_folder):
    served(tls, "anna")
    path = consortium_folder.root / "other.toml"
    path.write_text(consortium_folder.consortium.read_text().replace("minimum_cell = 10", "minimum_cell = 1"))
    client = TlsNetwork(consortium=load_consortium(path), identity=tls.identity("analyst"))
    try:
        with pytest.raises(PeerRejectedError, match="configuration differs"):
            client.dial("anna", "request", DIAL_S)
    finally:
        client.close()


def test_setup_network_stranger_with_a_certificate_of_the_authority_is_refused(tls, consortium_folder):
    """The authority's word is not enough: the roster pins each certificate."""
    served(tls, "anna")
    authority = Authority.load(consortium_folder.authority)
    path = consortium_folder.root / "second.pem"
    path.write_bytes(authority.issue("analyst", "analyst"))
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="not the certificate"):
        TlsNetwork(consortium=tls.consortium, identity=Identity.load(path))
    twin = consortium_folder.consortium.read_text()
    second = Identity.load(path)
    first = tls.identity("analyst")
    twin = twin.replace(first.fingerprint, second.fingerprint).replace(first.public_hex, second.public_hex)
    forged = consortium_folder.root / "forged.toml"
    forged.write_text(twin)
    client = TlsNetwork(consortium=load_consortium(forged), identity=second)
    try:
        with pytest.raises((PeerRejectedError, PartyLostError)):
            client.dial("anna", "request", DIAL_S)
    finally:
        client.close()


def test_setup_network_identity_in_no_file_is_refused(tls):
    with pytest.raises(ConfigError):
        TlsNetwork(consortium=tls.consortium, identity=in_memory_identity("anna", "site"))


def test_setup_network_taken_address_is_said(tls):
    tls.open("anna")
    with pytest.raises(ConfigError, match="anna cannot listen at 127"):
        tls.open("anna")


def test_setup_network_trust_and_addresses_follow_the_file(tls):
    trust = trust_of(tls.consortium)
    assert {name: role for name, (role, _) in trust.roster.items()} == ROLES
    assert set(addresses_of(tls.consortium)) == set(ROLES) - {"analyst"}
    for name in ROLES:
        assert trust.roster[name][1] == tls.identity(name).fingerprint
