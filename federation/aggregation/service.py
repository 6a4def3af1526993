"""The two helpers on the network: aggregator and key holder.

Layer:       federation.aggregation.service, the topmost module of this package. Two processes; neither imports torch.
Terms:       to *agree* is to derive, from a request and a complete ledger entry, the manifest of its attempt and the
             receivers of its sum; the helper's process hands in the function (``federation.training.rounds.entry_check``).
Guarantees:  the aggregator never sees a plaintext, the key holder never a single site's ciphertext. Both take part
             only in an attempt whose entry is complete, and derive its manifest from that entry alone. The aggregator
             takes one update of each site of the cohort, over that site's own channel; a repeated update with the
             same bytes gets the same receipt. When all updates are in, the aggregator sends the sum to the key holder
             and drops the ciphertexts; it also drops those of an abandoned attempt after an hour. The key
             holder takes sums from the aggregator alone, opens each attempt once (its claim is on the disk before),
             and sends the sum to its receivers alone; a repeated request gets the same numbers, also after the key
             holder was started again. A receiver waits for
             a sum no longer than the deadline, nor than its own channel is open, and one party waits at most
             ``MOST_WAITS`` times at once. Every refusal names its error.
See instead: the checks of sums and ciphertexts (``secure_sum``, ``open_sum``).
Source:      docs/guarantees.md P13 to P15.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter, OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from federation.aggregation.manifest import EncryptedVector
from federation.aggregation.opened_sums import OpenedSum
from federation.errors import FederationError, SiteUnavailableError, UpdateRejectedError
from federation.protocol.exchange import call, serve
from federation.protocol.messages import Ack
from federation.protocol.training_messages import (
    DecryptedSum,
    EncryptedSum,
    KeyAnswer,
    KeyAsk,
    SumAsk,
    Update,
    UpdateReceipt,
)
from smpc.errors import PartyLostError, PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from federation.aggregation.manifest import Manifest
    from federation.aggregation.open_sum import KeyHolder
    from federation.aggregation.opened_sums import OpenedSums
    from federation.aggregation.secure_sum import SecureSum
    from federation.network.channel import Channel, Network
    from federation.protocol.codec import Message

AGGREGATE: Final = "aggregate"
OPEN: Final = "open"
MOST_WAITS: Final = 16
WAIT_POLL_S: Final = 0.25
_KEPT_ATTEMPTS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """The manifest and the receivers that follow from a complete entry.

    Attributes:
        manifest: attempt, cohort, layout, key.
        receivers: the parties that may have the opened sum.
    """

    manifest: Manifest
    receivers: frozenset[str]


class AggregatorService:
    """The aggregator's service; serve ``handle`` under the purpose ``AGGREGATE``."""

    def __init__(
        self,
        *,
        name: str,
        network: Network,
        agree: Callable[[bytes, bytes], Agreed],
        secure_sum: SecureSum,
        keyholder: str,
        deadline_s: float,
    ) -> None:
        """Join the sums and the network; it serves once ``serve`` is called."""
        self.name, self._network = name, network
        self._agree, self._sums = agree, secure_sum
        self._keyholder, self._deadline_s = keyholder, deadline_s

    def serve(self) -> None:
        """Start to serve."""
        self._network.serve(AGGREGATE, self.handle)

    def handle(self, channel: Channel) -> None:
        """Serve one channel until it closes."""
        serve(channel, self._network, lambda message: self._reply(channel, message))

    def _reply(self, channel: Channel, message: Message) -> Message:
        if not isinstance(message, Update):
            raise PeerRejectedError(reason="the aggregator accepts updates only", name=channel.peer)
        manifest = self._agree(message.request, message.entry).manifest
        vector = _vector(message, manifest)
        missing = self._sums.take(manifest, vector, sender=channel.peer)
        if not missing and not self._sums.is_sent(manifest):
            self._forward(manifest, message)
            self._sums.sent(manifest)
        return UpdateReceipt(missing=list(missing))

    def _forward(self, manifest: Manifest, update: Update) -> None:
        total = self._sums.total(manifest)
        message = EncryptedSum(
            request=update.request,
            entry=update.entry,
            manifest=total.manifest_digest,
            key=total.key_fingerprint,
            ciphertexts=total.ciphertexts,
        )
        try:
            call(self._network, self._keyholder, OPEN, message, Ack, timeout_s=self._deadline_s)
        except PartyLostError as error:
            raise SiteUnavailableError(site=self._keyholder) from error


class KeyHolderService:
    """The key holder's service; serve ``handle`` under the purpose ``OPEN``."""

    def __init__(
        self,
        *,
        name: str,
        network: Network,
        agree: Callable[[bytes, bytes], Agreed],
        holder: KeyHolder,
        opened: OpenedSums,
        aggregator: str,
        deadline_s: float,
    ) -> None:
        """Join the key, the opened sums and the network; it serves once ``serve`` is called."""
        self.name, self._network = name, network
        self._agree, self._holder, self._aggregator = agree, holder, aggregator
        self._opened = opened
        self._failed: OrderedDict[tuple[str, int, int], tuple[frozenset[str], FederationError]] = (
            OrderedDict()
        )
        self._deadline_s = deadline_s
        self._waiting: Counter[str] = Counter()  # by party
        self._changed = threading.Condition()

    def serve(self) -> None:
        """Start to serve."""
        self._network.serve(OPEN, self.handle)

    def handle(self, channel: Channel) -> None:
        """Serve one channel until it closes."""
        serve(channel, self._network, lambda message: self._reply(channel, message))

    def _reply(self, channel: Channel, message: Message) -> Message:
        if isinstance(message, KeyAsk):
            return KeyAnswer(modulus=self._holder.public.to_bytes())
        if isinstance(message, SumAsk):
            return self._send_sum(message, channel)
        if isinstance(message, EncryptedSum):
            return self._open(message, channel.peer)
        raise PeerRejectedError(reason="the key holder opens sums only", name=channel.peer)

    def _open(self, message: EncryptedSum, sender: str) -> Ack:
        if sender != self._aggregator:
            raise PeerRejectedError(
                reason="the key holder accepts sums from the aggregator alone", name=sender
            )
        agreed = self._agree(message.request, message.entry)
        attempt = agreed.manifest.attempt
        key = (attempt.run, *attempt.number)
        sent = hashlib.sha256(message.manifest.encode() + message.ciphertexts).digest()
        with self._changed:
            known = self._opened.find(*key)
            if known is not None and known.sent == sent:
                return Ack()
            try:
                values = self._holder.open_sum(
                    agreed.manifest, _vector(message, agreed.manifest), sender=sender
                )
            except FederationError as error:
                if known is None:
                    self._fail(key, agreed.receivers, error)
                raise
            opened = OpenedSum(
                manifest=agreed.manifest.digest(),
                sent=sent,
                receivers=agreed.receivers,
                values=values.astype("<i8").tobytes(),
            )
            self._opened.keep(attempt, opened)
            self._changed.notify_all()
        return Ack()

    def _fail(self, key: tuple[str, int, int], receivers: frozenset[str], error: FederationError) -> None:
        """Keep the first error of an attempt for its receivers, as long as this process lives."""
        self._failed.setdefault(key, (receivers, error))
        while len(self._failed) > _KEPT_ATTEMPTS:
            self._failed.popitem(last=False)
        self._changed.notify_all()

    def _send_sum(self, ask: SumAsk, channel: Channel) -> DecryptedSum:
        receiver, key = channel.peer, (ask.run, ask.round_number, ask.attempt)
        ends_at = time.monotonic() + min(max(ask.wait_ms, 0) / 1000, self._deadline_s)
        with self._changed, self._waits(receiver):
            while (found := self._found(key)) is None and not channel.has_left:
                left_s = ends_at - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(min(left_s, WAIT_POLL_S))
        if found is None:
            reason = f"no sum of round {ask.round_number}, attempt {ask.attempt} was opened"
            raise SiteUnavailableError(site=self.name, reason=reason)
        receivers, answer = found
        if receiver not in receivers:
            raise UpdateRejectedError(site=receiver, reason="this party is not a receiver of this sum")
        if isinstance(answer, FederationError):
            raise answer
        return DecryptedSum(manifest=answer.manifest, values=answer.values)

    def _found(self, key: tuple[str, int, int]) -> tuple[frozenset[str], OpenedSum | FederationError] | None:
        """Return the sum or the error of an attempt with its receivers; None where it is neither opened nor failed."""
        opened = self._opened.find(*key)
        return self._failed.get(key) if opened is None else (opened.receivers, opened)

    @contextmanager
    def _waits(self, party: str) -> Iterator[None]:
        """Count a wait; called under the lock.

        Raises:
            SiteUnavailableError: the party waits here too often already.
        """
        if self._waiting[party] >= MOST_WAITS:
            reason = f"{party} already waits for {MOST_WAITS} sums here, the most that one party may"
            raise SiteUnavailableError(site=self.name, reason=reason)
        self._waiting[party] += 1
        try:
            yield
        finally:
            self._waiting[party] -= 1
            self._waiting += Counter()  # forget parties that no longer wait


def _vector(message: Update | EncryptedSum, manifest: Manifest) -> EncryptedVector:
    return EncryptedVector(
        manifest_digest=message.manifest,
        attempt=manifest.attempt,
        key_fingerprint=message.key,
        ciphertexts=message.ciphertexts,
        mask_tags=message.mask_tags if isinstance(message, Update) else {},
    )
