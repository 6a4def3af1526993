"""The aggregator: adds exactly one encrypted update of every site of a cohort, and never sees a plaintext.

Layer:       federation.aggregation.secure_sum. No file, no socket; holds ciphertexts only.
Guarantees:  a sum is given out only when every site of the cohort is in it once. An update for another attempt, key
             or manifest, from a stranger, or a second one of the same site is refused with the sender's name; an
             update that fails a check is never added. Attempts of a run only rise.
             Two sites whose tags show different mask keys are named here, before a sum that cannot be opened.
See instead: decryption (``open_sum``, another process), the sender's identity (the channel authenticates it). An
             aggregator that breaks these rules gets a sum that the masks under the encryption keep closed (``masks``).
Source:      rules P13, P14.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from federation.aggregation.manifest import EncryptedVector, Manifest, vector_for
from federation.errors import KeyMismatchError, SiteUnavailableError, UpdateRejectedError
from federation.paillier.cipher import add_checked
from federation.paillier.validation import parse_ciphertexts, serialise_ciphertexts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from federation.paillier.keys import PublicKey

ABANDONED_S: Final = 3600.0


@dataclass(slots=True)
class _Collection:
    """The latest attempt of a run: the running product, the hash of each contributor's update, and whether it is over.

    An attempt that is over holds no ciphertexts; it is ``sent`` if the key holder has its sum, else abandoned.
    """

    manifest: Manifest
    digest: str
    arrived: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, Mapping[str, str]] = field(default_factory=dict)
    totals: list[int] = field(default_factory=list)
    changed_s: float = 0.0
    is_over: bool = False
    is_sent: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(site for site in self.manifest.cohort if site not in self.arrived)


class SecureSum:
    """The state of one aggregator: at most one attempt under way for each run; safe for many threads."""

    def __init__(self, key: PublicKey, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without any run.

        Args:
            key: the consortium's public key, accepted against its pinned fingerprint.
            clock: seconds, for the age of an attempt that its sites abandoned.
        """
        self._key, self._clock = key, clock
        self._collections: dict[str, _Collection] = {}
        self._held: OrderedDict[str, None] = (
            OrderedDict()
        )  # runs whose ciphertexts are held, the oldest first
        self._lock = threading.Lock()

    def begin(self, manifest: Manifest) -> None:
        """Open an attempt for updates; an older attempt of the run is closed and its ciphertexts are dropped.

        Args:
            manifest: signed by its whole cohort, which the caller has checked.

        Raises:
            KeyMismatchError: it names another key.
            UpdateRejectedError: not newer than the run's last attempt; ``site`` is the first of the cohort.
        """
        check_key(manifest, self._key)
        with self._lock:
            if not self._is_newer(manifest):
                raise UpdateRejectedError(
                    site=manifest.cohort[0], reason=f"{manifest.attempt} is not newer than the last"
                )
            self._begin(manifest)

    def accept(self, update: EncryptedVector, *, sender: str) -> tuple[str, ...]:
        """Check one site's update and add it.

        Args:
            update: as it came.
            sender: the name in the certificate of the channel's peer.

        Returns:
            The sites still missing, sorted.

        Raises:
            UpdateRejectedError: unknown run or site, another attempt, another manifest, a second update, or a mask key
                that differs from that of a site whose update arrived.
            KeyMismatchError: encrypted under another key.
            CiphertextInvalidError: wrong length, or a ciphertext that fails a check.
        """
        with self._lock:
            return self._accept(update, sender)

    def take(self, manifest: Manifest, update: EncryptedVector, *, sender: str) -> tuple[str, ...]:
        """Accept one site's update, which may be the first of its attempt or a repetition of the same bytes.

        Args:
            manifest: of the update's attempt, as the caller derives it.
            update: as it came.
            sender: the name in the certificate of the channel's peer.

        Returns:
            The sites still missing, sorted.

        Raises:
            KeyMismatchError, UpdateRejectedError, CiphertextInvalidError: as ``begin`` and ``accept``.
        """
        check_key(manifest, self._key)
        if sender in manifest.cohort and sorted([*update.mask_tags, sender]) != list(manifest.cohort):
            reason = "the mask tags are not those of the cohort's other sites"
            raise UpdateRejectedError(site=sender, reason=reason)
        with self._lock:
            self._drop_abandoned()
            if self._is_newer(manifest):
                self._begin(manifest)
            known = self._collections[manifest.attempt.run]
            if known.digest == manifest.digest() and known.arrived.get(sender) == _fingerprint(update):
                return known.missing
            return self._accept(update, sender)

    def total(self, manifest: Manifest) -> EncryptedVector:
        """Return the encrypted sum, once the whole cohort is in it; every call returns the same bytes.

        Raises:
            UpdateRejectedError: the attempt is not the one under way.
            SiteUnavailableError: names the first site whose update has not arrived.
        """
        with self._lock:
            collection = self._collections.get(manifest.attempt.run)
            if collection is None or collection.is_over or collection.digest != manifest.digest():
                raise UpdateRejectedError(
                    site=manifest.cohort[0], reason=f"{manifest.attempt} is not under way"
                )
            if collection.missing:
                raise SiteUnavailableError(
                    site=collection.missing[0], reason=f"no update for {manifest.attempt}"
                )
            return vector_for(manifest, serialise_ciphertexts(collection.totals, n=self._key.n))

    def is_sent(self, manifest: Manifest) -> bool:
        """Whether the key holder has the sum of this attempt."""
        with self._lock:
            collection = self._collections.get(manifest.attempt.run)
            return collection is not None and collection.is_sent and collection.digest == manifest.digest()

    def sent(self, manifest: Manifest) -> None:
        """Note that the key holder has the sum of this attempt, and drop its ciphertexts; the attempt stays spent."""
        with self._lock:
            collection = self._collections.get(manifest.attempt.run)
            if collection is not None and collection.digest == manifest.digest():
                collection.is_sent = True
                self._close(manifest.attempt.run)

    def _is_newer(self, manifest: Manifest) -> bool:
        current = self._collections.get(manifest.attempt.run)
        return current is None or manifest.attempt.number > current.manifest.attempt.number

    def _begin(self, manifest: Manifest) -> None:
        self._collections[manifest.attempt.run] = _Collection(manifest, manifest.digest())
        self._held.pop(manifest.attempt.run, None)

    def _accept(self, update: EncryptedVector, sender: str) -> tuple[str, ...]:
        collection = self._expecting(update, sender)
        layout = collection.manifest.layout
        values = parse_ciphertexts(update.ciphertexts, n=self._key.n, count=layout.count)
        is_first = not collection.arrived
        collection.totals = values if is_first else add_checked(self._key, collection.totals, values)
        collection.arrived[sender] = _fingerprint(update)
        collection.tags[sender] = update.mask_tags
        collection.changed_s = self._clock()
        self._held[update.attempt.run] = None
        self._held.move_to_end(update.attempt.run)
        return collection.missing

    def _close(self, run: str) -> None:
        """Drop the ciphertexts of a run's latest attempt; its manifest is kept, so that no older one can begin again."""
        collection = self._collections[run]
        collection.totals, collection.is_over = [], True
        self._held.pop(run, None)

    def _drop_abandoned(self) -> None:
        due = self._clock() - ABANDONED_S
        while self._held and self._collections[run := next(iter(self._held))].changed_s < due:
            self._close(run)

    def _expecting(self, update: EncryptedVector, sender: str) -> _Collection:
        collection = self._collections.get(update.attempt.run)
        if collection is None:
            raise UpdateRejectedError(site=sender, reason="no such run is under way")
        expected = collection.manifest.attempt
        if update.attempt.number < expected.number:
            raise UpdateRejectedError(site=sender, reason=f"{update.attempt} is old, {expected} is under way")
        if update.attempt != expected:
            raise UpdateRejectedError(site=sender, reason=f"{update.attempt} has not begun")
        if update.key_fingerprint != self._key.fingerprint:
            raise KeyMismatchError(reason=f"the update of {sender} is encrypted under another key")
        if update.manifest_digest != collection.digest:
            raise UpdateRejectedError(site=sender, reason="the update was made for another manifest")
        if sender not in collection.manifest.cohort:
            raise UpdateRejectedError(site=sender, reason="the site is not in the cohort")
        if sender in collection.arrived:
            raise UpdateRejectedError(
                site=sender, reason=f"this site has already sent an update for {expected}"
            )
        if collection.is_over:
            raise UpdateRejectedError(site=sender, reason=f"{expected} is over")
        _check_tags(collection.tags, update, sender)
        return collection


def check_key(manifest: Manifest, key: PublicKey) -> None:
    """Refuse a manifest made for another key.

    Raises:
        KeyMismatchError: another fingerprint, type or size.
    """
    named = (manifest.key_fingerprint, manifest.key_type, manifest.layout.key_bits)
    if named != (key.fingerprint, key.key_type, key.bits):
        raise KeyMismatchError(reason="the manifest names another key")


def _check_tags(arrived: Mapping[str, Mapping[str, str]], update: EncryptedVector, sender: str) -> None:
    """Refuse an update that lies under another mask key than that of a site whose update arrived."""
    for other, tags in arrived.items():
        if tags.get(sender) != update.mask_tags.get(other):
            reason = f"{sender} and {other} hold different mask keys: one of them was started again"
            raise UpdateRejectedError(site=sender, reason=reason)


def _fingerprint(update: EncryptedVector) -> bytes:
    return hashlib.sha256(update.manifest_digest.encode() + update.ciphertexts).digest()
