"""The sum of one attempt by secret sharing among the sites: no aggregator, no key holder, the identical integers.

Layer:       federation.aggregation.shared_sum, beside update_cipher; at sites, and ``agreed_total`` at the analyst.
Terms:       a *slot* is one number of an update with its offset, as ``paillier.packing`` writes it, here one ring element;
             slot 0 is the counter, where each site writes 1.
Guarantees:  an attempt has a session of its own among its cohort, whose id is the manifest's digest: run, round, attempt,
             cohort and layout. A site adds to its slots fresh shares of zero, from keys that the pairs of sites agree on
             in this session; what it sends is uniform, and only the sum over the whole cohort is not. So neither a
             site nor several learn more than the sum of the others, and no sum over other sites than the cohort
             opens. Every site checks the opened sum as a key holder does: counter equal to the size of the
             cohort, each slot in ``[0, K 2H]``. A failure ends the attempt for all sites; nothing of it is kept.
             An opened sum is kept with its receivers, and no other party gets it.
See instead: the secrecy of a session (``smpc``), clipping and noise, which come before (``federation.training``).
Source:      docs/guarantees.md P9, P13, P14; docs/adr/0029.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.disclosure.release import open_total
from federation.aggregation.opened_sums import OpenedSum
from federation.aggregation.service import OPEN
from federation.errors import CiphertextInvalidError, SiteUnavailableError, UpdateRejectedError
from federation.paillier.packing import values_mistake
from federation.protocol.exchange import call, serve
from federation.protocol.training_messages import DecryptedSum, SumAsk
from smpc.errors import PartyLostError, PeerRejectedError
from smpc.session import KeyOffer, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from federation.aggregation.manifest import Manifest
    from federation.aggregation.opened_sums import OpenedSums
    from federation.network.channel import Channel, Network
    from federation.paillier.packing import Layout
    from federation.protocol.codec import Message

REFUSED: Final = "a check of the opened sum failed (counter of contributors, or a number out of range): the attempt is spent"
_ELEMENT_BYTES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedUpdate:
    """A site's part in an attempt that is over.

    Attributes:
        bytes_sent: to the other sites.
    """

    bytes_sent: int


class SharedSum:
    """One site's end; for any thread."""

    def __init__(
        self, *, site: str, network: Network, store: Callable[[], OpenedSums], deadline_s: float
    ) -> None:
        """Take this site's parts.

        Args:
            site: its name.
            network: its end of the network.
            store: opens what keeps opened sums for their receivers; called once, when the first is needed.
            deadline_s: longest wait for another site that is asked for a sum (s).
        """
        self.site = site
        self._network, self._store, self._deadline_s = network, store, deadline_s
        self._kept: OpenedSums | None = None
        self._lock = threading.Lock()

    @property
    def _opened(self) -> OpenedSums:
        with self._lock:
            if self._kept is None:
                self._kept = self._store()
            return self._kept

    def serve(self) -> None:
        """Give opened sums to their receivers."""
        self._network.serve(OPEN, self.handle)

    def handle(self, channel: Channel) -> None:
        """Serve one channel until it closes."""
        serve(channel, self._network, lambda message: self._reply(channel, message))

    def contribute(
        self, values: npt.NDArray[np.int64], manifest: Manifest, *, receivers: Sequence[str]
    ) -> SharedUpdate:
        """Add this site's update to the sum of an attempt, and open the sum together with the cohort.

        Visible to: the cohort's sites see the sum, later the receivers.
        Cost: 2 rounds; 8 bytes a value to every other site.

        Args:
            values: clamped and noised integers, shape ``(layout.length,)``.
            manifest: of the attempt.
            receivers: who may have the sum.

        Raises:
            UpdateRejectedError: values of another type, shape or range; before any other site is reached.
            SiteUnavailableError: names a site of the cohort that was lost, or is late.
            CiphertextInvalidError: the sum fails a check, with one reason for every cause.
        """
        mistake = values_mistake(values, manifest.layout)
        if mistake is not None:
            raise UpdateRejectedError(site=self.site, reason=mistake)
        slots = np.concatenate([np.ones(1, np.int64), values + np.int64(manifest.layout.half_range)])
        try:
            with self._session(manifest) as session:
                total = open_total(session, slots)
                bytes_sent = sum(session.counters.bytes_sent.values())
        except PartyLostError as error:
            raise SiteUnavailableError(site=error.name) from error
        self._keep(manifest, checked_sum(total, manifest.layout), receivers)
        return SharedUpdate(bytes_sent=bytes_sent)

    def fetch(self, ask: SumAsk, cohort: Sequence[str], *, length: int, manifest: str | None) -> list[int]:
        """Return an opened sum: this site's own, or another site's where this one had no part in it.

        Raises:
            SiteUnavailableError: no site has it.
            UpdateRejectedError: it is of another attempt or length, or the sites' sums differ.
        """
        own = self._opened.find(ask.run, ask.round_number, ask.attempt)
        if own is not None:
            sent = DecryptedSum(manifest=own.manifest, values=own.values)
            return _read(sent, self.site, length=length, manifest=manifest)
        others = [name for name in cohort if name != self.site]
        return agreed_total(
            self._network, others, ask, length=length, manifest=manifest, deadline_s=self._deadline_s
        )

    def close(self) -> None:
        """Close the store of opened sums."""
        with self._lock:
            if self._kept is not None:
                self._kept.close()

    def _session(self, manifest: Manifest) -> Session:
        """Join the attempt's session; the caller enters it."""
        session_id = bytes.fromhex(manifest.digest())
        offer = KeyOffer([name for name in manifest.cohort if name != self.site])
        run = hashlib.sha256(manifest.attempt.run.encode()).digest()
        mesh = self._network.open_mesh(session_id, run, manifest.cohort, None, offer.first)
        return Session(mesh, session_id, offer=offer)

    def _keep(self, manifest: Manifest, values: npt.NDArray[np.int64], receivers: Sequence[str]) -> None:
        data = values.astype("<i8").tobytes()
        self._opened.keep(
            manifest.attempt,
            OpenedSum(
                manifest=manifest.digest(),
                sent=hashlib.sha256(data).digest(),
                receivers=frozenset(receivers),
                values=data,
            ),
        )

    def _reply(self, channel: Channel, message: Message) -> DecryptedSum:
        if not isinstance(message, SumAsk):
            raise PeerRejectedError(reason="on this channel a site gives opened sums", name=channel.peer)
        opened = self._opened.find(message.run, message.round_number, message.attempt)
        if opened is None:
            reason = f"no sum of round {message.round_number}, attempt {message.attempt} was opened"
            raise SiteUnavailableError(site=self.site, reason=reason)
        if channel.peer not in opened.receivers:
            raise UpdateRejectedError(site=channel.peer, reason="this party is not a receiver of this sum")
        return DecryptedSum(manifest=opened.manifest, values=opened.values)


def checked_sum(total: npt.NDArray[np.int64], layout: Layout) -> npt.NDArray[np.int64]:
    """Check an opened sum of slots, and subtract the offsets.

    Args:
        total: the slots, counter first, modulo 2^64, shape ``(layout.length + 1,)``.
        layout: of the attempt.

    Returns:
        The sums, shape ``(layout.length,)``.

    Raises:
        CiphertextInvalidError: the counter is not the number of contributors, or a slot is out of range.
    """
    slots = total.view(np.uint64)
    if total.shape != (layout.length + 1,) or slots[0] != layout.contributors:
        raise CiphertextInvalidError(reason=REFUSED)
    if (slots[1:] > np.uint64(layout.largest_sum)).any():
        raise CiphertextInvalidError(reason=REFUSED)
    shift = np.uint64(layout.contributors * layout.half_range)
    # wrapping subtraction: both sides are below 2^64 and the difference fits int64
    return (slots[1:] - shift).view(np.int64)


def agreed_total(
    network: Network,
    sites: Sequence[str],
    ask: SumAsk,
    *,
    length: int,
    manifest: str | None,
    deadline_s: float,
) -> list[int]:
    """Ask sites for an opened sum; those that have it have to have the same one.

    Visible to: the receivers in the plan.

    Args:
        network: of the receiver.
        sites: of the cohort.
        ask: identifies the sum.
        length: numbers in it.
        manifest: digest of the attempt, where the receiver derives it.
        deadline_s: longest wait for a site (s).

    Raises:
        SiteUnavailableError: no site has it.
        UpdateRejectedError: this party is no receiver, or a sum is of another attempt or length, or they differ.
    """
    found: dict[str, DecryptedSum] = {}
    for site in sites:
        try:
            found[site] = call(network, site, OPEN, ask, DecryptedSum, timeout_s=deadline_s)
        except (PartyLostError, SiteUnavailableError):
            continue
    if not found:
        reason = f"no site has the sum of round {ask.round_number}, attempt {ask.attempt}"
        raise SiteUnavailableError(site=", ".join(sites), reason=reason)
    first, *others = found
    for other in others:
        if found[other] != found[first]:
            raise UpdateRejectedError(site=other, reason=f"{first} and {other} opened different sums")
    return _read(found[first], first, length=length, manifest=manifest)


def _read(opened: DecryptedSum, site: str, *, length: int, manifest: str | None) -> list[int]:
    if manifest is not None and opened.manifest != manifest:
        raise UpdateRejectedError(site=site, reason="the opened sum is of another attempt")
    if len(opened.values) != _ELEMENT_BYTES * length:
        raise UpdateRejectedError(site=site, reason="the opened sum has another length than the plan")
    values: list[int] = np.frombuffer(opened.values, dtype="<i8").tolist()
    return values
