"""The aggregator: adds exactly one encrypted update of every site of a cohort, and never sees a plaintext.

Layer:       federation.aggregation.secure_sum. No file, no socket; holds ciphertexts only.
Guarantees:  a sum is given out only when every site of the cohort is in it once. An update for another attempt, key
             or manifest, from a stranger, or a second one of the same site is refused with the sender's name; an
             update that fails a check is never added. Attempts of a run only rise.
See instead: decryption (``open_sum``, another process), the sender's identity (the channel authenticates it), masks:
             until sites put pairwise masks under the encryption, an aggregator that breaks these rules *together
             with* the key holder reads single updates (docs/adr/0010).
Source:      rules P13, P14.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from federation.aggregation.manifest import EncryptedVector, Manifest, vector_for
from federation.errors import KeyMismatchError, SiteUnavailableError, UpdateRejectedError
from federation.paillier.cipher import add_checked
from federation.paillier.validation import parse_ciphertexts, serialise_ciphertexts

if TYPE_CHECKING:
    from federation.paillier.keys import PublicKey


@dataclass(slots=True)
class _Collection:
    """One attempt under way: the running product and its contributors."""

    manifest: Manifest
    digest: str
    arrived: set[str] = field(default_factory=set)
    totals: list[int] = field(default_factory=list)


class SecureSum:
    """The state of one aggregator: at most one attempt under way for each run; safe for many threads."""

    def __init__(self, key: PublicKey) -> None:
        """Start without any run.

        Args:
            key: the consortium's public key, accepted against its pinned fingerprint.
        """
        self._key = key
        self._collections: dict[str, _Collection] = {}
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
            current = self._collections.get(manifest.attempt.run)
            if current is not None and manifest.attempt.number <= current.manifest.attempt.number:
                raise UpdateRejectedError(
                    site=manifest.cohort[0], reason=f"{manifest.attempt} is not newer than the last"
                )
            self._collections[manifest.attempt.run] = _Collection(manifest, manifest.digest())

    def accept(self, update: EncryptedVector, *, sender: str) -> tuple[str, ...]:
        """Check one site's update and add it.

        Args:
            update: as it came.
            sender: the name in the certificate of the channel's peer.

        Returns:
            The sites still missing, sorted.

        Raises:
            UpdateRejectedError: unknown run or site, another attempt, another manifest, or a second update.
            KeyMismatchError: encrypted under another key.
            CiphertextInvalidError: wrong length, or a ciphertext that fails a check.
        """
        with self._lock:
            collection = self._expecting(update, sender)
            layout = collection.manifest.layout
            values = parse_ciphertexts(update.ciphertexts, n=self._key.n, count=layout.count)
            is_first = not collection.arrived
            collection.totals = values if is_first else add_checked(self._key, collection.totals, values)
            collection.arrived.add(sender)
            return _missing(collection)

    def total(self, manifest: Manifest) -> EncryptedVector:
        """Return the encrypted sum, once the whole cohort is in it; every call returns the same bytes.

        Raises:
            UpdateRejectedError: the attempt is not the one under way.
            SiteUnavailableError: names the first site whose update has not arrived.
        """
        with self._lock:
            collection = self._collections.get(manifest.attempt.run)
            if collection is None or collection.digest != manifest.digest():
                raise UpdateRejectedError(
                    site=manifest.cohort[0], reason=f"{manifest.attempt} is not under way"
                )
            missing = _missing(collection)
            if missing:
                raise SiteUnavailableError(site=missing[0], reason=f"no update for {manifest.attempt}")
            return vector_for(manifest, serialise_ciphertexts(collection.totals, n=self._key.n))

    def forget(self, run: str) -> None:
        """Drop the ciphertexts of a run that ended; its attempts stay spent.

        The last manifest is kept, so that no older attempt of the run can begin again.
        """
        with self._lock:
            collection = self._collections.get(run)
            if collection is not None:
                self._collections[run] = _Collection(collection.manifest, digest="")

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
        return collection


def check_key(manifest: Manifest, key: PublicKey) -> None:
    """Refuse a manifest made for another key.

    Raises:
        KeyMismatchError: another fingerprint or size.
    """
    if manifest.key_fingerprint != key.fingerprint or manifest.layout.key_bits != key.bits:
        raise KeyMismatchError(reason="the manifest names another key")


def _missing(collection: _Collection) -> tuple[str, ...]:
    return tuple(site for site in collection.manifest.cohort if site not in collection.arrived)
