"""A consortium on loopback for tests: an authority, certificates, and whole nodes with heartbeats and a data plane."""

from __future__ import annotations

import datetime
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from smpc.transport.connecting.endpoint import Address, Endpoint
from smpc.transport.connecting.listener import Listener
from smpc.transport.connection import Connection
from smpc.transport.data_plane import DataPlane
from smpc.transport.heartbeat import Heartbeats
from smpc.transport.mesh import Mesh
from smpc.transport.wire.peer_identity import Trust

CONFIGURATION = bytes(range(32))
REQUEST = b"r" * 32
PARTIES = ("ankara", "basel", "cairo")
HELPER = "dealer"
_DAY = datetime.timedelta(days=1)


def fresh_id() -> bytes:
    """A session id never used before."""
    return os.urandom(32)


class Authority:
    """A certificate authority with an Ed25519 key."""

    def __init__(self, name: str = "consortium") -> None:
        self._key = Ed25519PrivateKey.generate()
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        self._key_id = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self.certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, None)
        )
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self, path: Path, name: str, role: str = "site", *, names: Iterable[x509.GeneralName] | None = None
    ) -> str:
        """Write certificate and key of a party to one PEM file; returns the certificate's fingerprint.

        ``names`` replaces the alternative names, for certificates that should not be accepted.
        """
        key = Ed25519PrivateKey.generate()
        if names is None:
            names = (x509.UniformResourceIdentifier(f"urn:crossward:{role}:{name}"), x509.DNSName(name))
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        leaf = (
            self._builder(subject, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._key_id), critical=False
            )
            .sign(self._key, None)
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + private)
        return hashlib.sha256(leaf.public_bytes(serialization.Encoding.DER)).hexdigest()

    def _builder(self, subject: x509.Name, key: Ed25519PrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )


@dataclass
class World:
    """Certificates of a roster in a folder."""

    folder: Path
    roles: Mapping[str, str] = field(
        default_factory=lambda: dict.fromkeys(PARTIES, "site") | {HELPER: "dealer", "annie": "analyst"}
    )
    authority: Authority = field(default_factory=Authority)
    trust: Trust = field(init=False)

    def __post_init__(self) -> None:
        roster = {
            name: (role, self.authority.issue(self.folder / f"{name}.pem", name, role))
            for name, role in self.roles.items()
        }
        self.trust = Trust(ca_pem=self.authority.pem, roster=roster)

    def endpoint(
        self, name: str, *, configuration: bytes = CONFIGURATION, handshake_s: float = 5.0
    ) -> Endpoint:
        return Endpoint(
            name=name,
            identity_file=self.folder / f"{name}.pem",
            trust=self.trust,
            configuration=configuration,
            handshake_s=handshake_s,
        )


class Node:
    """A whole node: listener, heartbeats, data plane. ``start`` needs everybody's address."""

    def __init__(self, endpoint: Endpoint, port: int = 0) -> None:
        self.name = endpoint.name
        self.n_data_connections = 0
        self._endpoint = endpoint
        self._is_ready = threading.Event()
        self.hearts: Heartbeats | None = None
        self.plane: DataPlane | None = None
        self.listener = Listener(
            endpoint, ("127.0.0.1", port), {"control": self._control, "data": self._data}
        )
        self.address = self.listener.address

    def start(
        self, addresses: Mapping[str, Address], *, beat_s: float = 0.2, silence_s: float = 5.0, **plane: float
    ) -> Node:
        others = {name: address for name, address in addresses.items() if name != self.name}
        self.hearts = Heartbeats(self._endpoint, others, beat_s=beat_s, silence_s=silence_s)
        self.plane = DataPlane(self._endpoint, others, self.hearts.liveness, **plane)
        self._is_ready.set()
        return self

    def stop(self) -> None:
        if self.plane is not None:
            self.plane.stop()
        if self.hearts is not None:
            self.hearts.stop()
        self.listener.stop()

    def _control(self, connection: Connection) -> None:
        if self._is_ready.wait(5.0):
            self.hearts.adopt(connection)

    def _data(self, connection: Connection) -> None:
        self.n_data_connections += 1
        if self._is_ready.wait(5.0):
            self.plane.handler(connection)


class Nodes:
    """Several nodes in this process; a context manager that waits until all are alive to each other."""

    def __init__(self, world: World, names: Iterable[str], **settings: float) -> None:
        self.nodes = {name: Node(world.endpoint(name)) for name in names}
        self._settings = settings

    def __enter__(self) -> Self:
        addresses = {name: node.address for name, node in self.nodes.items()}
        for node in self.nodes.values():
            node.start(addresses, **self._settings)
        for name, node in self.nodes.items():
            assert (
                node.hearts.liveness.wait_alive([other for other in addresses if other != name], 10.0) is None
            )
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes.values():
            node.stop()

    def plane(self, name: str) -> DataPlane:
        plane = self.nodes[name].plane
        assert plane is not None
        return plane

    def meshes(
        self, names: Iterable[str] = PARTIES, helper: str | None = None, *, deadline_s: float = 10.0
    ) -> dict[str, Mesh]:
        """One session's meshes, opened by a thread for each party."""
        names, session_id = tuple(names), fresh_id()
        members = names if helper is None else (*names, helper)

        def open_one(name: str) -> Callable[[], Mesh]:
            return lambda: self.plane(name).open_mesh(
                session_id, REQUEST, names, helper, deadline_s=deadline_s
            )

        return run_all({name: open_one(name) for name in members})


def run_all(work: Mapping[str, Callable[[], object]]) -> dict:
    """Run everybody's function in a thread of its own; results by name, the first error raised."""
    results = outcomes(work)
    for result in results.values():
        if isinstance(result, BaseException):
            raise result
    return results


def outcomes(work: Mapping[str, Callable[[], object]], timeout_s: float = 60.0) -> dict[str, object]:
    """Like ``run_all``, with errors as results."""
    results: dict[str, object] = {}

    def run(name: str, function: Callable[[], object]) -> None:
        try:
            results[name] = function()
        except BaseException as error:
            results[name] = error

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in work.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout_s)
        assert not thread.is_alive(), "a party hangs"
    return results
