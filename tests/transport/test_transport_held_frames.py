"""A party holds frames that arrive before their operation, and reads them when the operation begins."""

import threading
import time
from pathlib import Path

import pytest

from federation.identity.authority import Authority
from federation.identity.certificates import Identity, write_private
from smpc.transport.connecting.endpoint import Endpoint
from smpc.transport.connecting.listener import Listener
from smpc.transport.data_plane import DataPlane
from smpc.transport.liveness import Liveness
from smpc.transport.wire.peer_identity import Trust

NAMES = ("ann", "ben", "cid")


@pytest.mark.parametrize("payload", [b"", b"x", b"y" * 100_000], ids=["empty", "small", "large"])
def test_a_frame_one_round_early_is_taken_when_its_round_begins(tmp_path: Path, payload: bytes) -> None:
    authority = Authority.create("trial")
    for name in NAMES:
        write_private(tmp_path / f"{name}.pem", authority.issue(name, "site"))
    identities = {name: Identity.load(tmp_path / f"{name}.pem") for name in NAMES}
    roster = {name: (one.role, one.fingerprint) for name, one in identities.items()}
    trust = Trust(ca_pem=authority.certificate_pem, roster=roster)
    liveness = Liveness(NAMES)
    addresses: dict[str, tuple[str, int]] = {}
    planes: dict[str, DataPlane] = {}
    listeners = []
    for name in reversed(NAMES):  # the lower name dials, so its plane is made last
        liveness.mark_alive(name)
        endpoint = Endpoint(
            name=name, identity_file=tmp_path / f"{name}.pem", trust=trust, configuration=bytes(32)
        )
        planes[name] = DataPlane(
            endpoint, {n: addresses.get(n, ("127.0.0.1", 1)) for n in NAMES if n != name}, liveness
        )
        listener = Listener(endpoint, ("127.0.0.1", 0), {"data": planes[name].handler})
        listeners.append(listener)
        addresses[name] = listener.address
    took_s = []

    def take_part(name: str) -> None:
        mesh = planes[name].open_mesh(bytes(32), bytes(32), NAMES, None, deadline_s=5.0)
        if name == "ann":
            assert mesh.exchange(3, {}, {"cid": 1}) == {"cid": b"c"}
            begun = time.monotonic()
            assert mesh.exchange(9, {}, {"ben": len(payload)}) == {"ben": payload}
            took_s.append(time.monotonic() - begun)
        elif name == "ben":
            mesh.exchange(9, {"ann": payload}, {})
        else:
            time.sleep(0.3)
            mesh.exchange(3, {"ann": b"c"}, {})
        mesh.close()

    threads = [threading.Thread(target=take_part, args=(name,)) for name in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for plane in planes.values():
        plane.stop()
    for listener in listeners:
        listener.stop()
    assert took_s, "the round never ended"
    assert took_s[0] < 4.0  # of 5
