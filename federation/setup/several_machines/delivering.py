"""A member brings its answer or signature to the founder directly, and waits for what comes back.

Layer:       federation.setup.several_machines.delivering, above joining.
Guarantees:  nothing is sent before the certificate at the founder's address has the fingerprint of the invitation. What
             comes back is only kept as a file, as if it had come by e-mail: ``sign`` and ``begin`` check it.
See instead: the founder's side (``collecting``), the connection (``federation.network.direct``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from federation.consortium.admission.deliveries import Delivery, DeliveryReply
from federation.errors import FoundingRefusedError, SiteUnavailableError
from federation.network.direct import deliver
from federation.network.tls import bind_address
from federation.setup.several_machines.joining import MemberFolder, member_key
from federation.setup.several_machines.whole_files import put
from smpc.errors import PartyLostError, PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLL_S: Final = 5.0


def bring(
    folder: Path,
    brings: str,
    *,
    wants: str,
    wait_s: float,
    tell: Callable[[str], None] = lambda _: None,
) -> Path | None:
    """Bring a member's file, and wait for the draft or the agreement.

    Visible to: the founder reads the file; of a site's data it holds nothing.

    Args:
        folder: the member's.
        brings: ``answer`` or ``signature``, made before.
        wants: ``draft`` or ``agreement``.
        wait_s: how long to wait (s); it may be run again.
        tell: called with a sentence on what happens.

    Returns:
        The file that came; None where it is not there yet.

    Raises:
        FoundingRefusedError: the invitation names no direct address, another certificate is shown there, or the founder
            refuses.
        SiteUnavailableError: the founder could not be reached in this time.
    """
    member = MemberFolder(root=folder)
    invitation = member.load_invitation()
    if not invitation.direct:
        raise FoundingRefusedError(
            reason=f"the invitation of {invitation.name} names no direct address; send the file by other means"
        )
    place = member.answer(invitation.name) if brings == "answer" else member.signature(invitation.name)
    file, until, is_there, was_lost = place.read_bytes(), time.monotonic() + wait_s, False, False
    while True:
        try:
            found = _once(folder, "nothing" if is_there else brings, wants, b"" if is_there else file)
        except PartyLostError:
            if not was_lost:
                tell(f"{invitation.direct} cannot be reached now; trying again")
            was_lost = True
        else:
            if not is_there:
                tell(f"the founder has the {brings}; waiting for the {wants}")
            is_there, was_lost = True, False
            if found is not None:
                path = folder / f"{wants}.json"
                put(path, found)
                return path
        if time.monotonic() >= until:
            break
        time.sleep(min(POLL_S, max(0.0, until - time.monotonic())))
    if not is_there:
        raise SiteUnavailableError(
            site=f"the founder at {invitation.direct}",
            reason=f"it cannot be reached; send {place} by other means, or run this again",
        )
    return None


def _once(folder: Path, brings: str, wants: str, file: bytes) -> bytes | None:
    """Make one delivery; None where what is wanted is not there yet.

    Raises:
        PartyLostError: the founder cannot be reached.
        FoundingRefusedError: as ``bring``.
    """
    member = MemberFolder(root=folder)
    invitation = member.load_invitation()
    address = bind_address(invitation.direct)
    if address is None:
        raise FoundingRefusedError(reason="the invitation names no direct address")
    key = member_key(member, invitation)

    def compose(nonce: bytes) -> tuple[bytes, bytes]:
        delivery = Delivery.write(
            invitation.name,
            key,
            brings=brings,
            wants=wants,
            file=file,
            nonce=nonce,
            certificate=invitation.certificate,
        )
        return delivery.to_bytes(), file

    try:
        head, found = deliver(address, invitation.certificate, compose)
    except PeerRejectedError as error:
        raise FoundingRefusedError(
            reason=f"at {invitation.direct} is not the founder that the invitation names ({error.reason}); nothing was "
            "sent. Call the founder's administrator"
        ) from error
    reply = DeliveryReply.from_bytes(head)
    if reply.state == "refused":
        raise FoundingRefusedError(reason=f"the founder refuses: {reply.reason}")
    return found if reply.state == "ready" else None
