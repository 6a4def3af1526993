"""The only place that decrypts: the key holder opens one checked sum for each attempt.

Layer:       federation.aggregation.open_sum, the only importer of ``paillier.decrypt``.
Guarantees:  in this order: the manifest names our key and at least three contributors; the sum is bound to it; exact
             length, range and gcd of every ciphertext; the attempt is claimed durably; decryption, where each power
             is 1 mod p and 1 mod q; counter of every ciphertext equal to the number of contributors; every slot in
             range; only then an answer. A sum that fails a check gets no answer. An attempt that reaches its claim is
             spent, so that no party can ask the same question twice with small changes. A failure after the claim has
             one reason for all causes and no index: the failed check would reveal part of a plaintext.
See instead: the signatures on the manifest (the caller checks them before), the receivers of the sum (the caller,
             after), masks.
Source:      rules P14, P15. A test of this package runs the attack that the checks before decryption stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.aggregation.secure_sum import check_key
from federation.errors import CiphertextInvalidError, KeyMismatchError, UpdateRejectedError
from federation.paillier.decrypt import REFUSED_SUM, Decryptor
from federation.paillier.packing import unpack_sum
from federation.paillier.validation import parse_ciphertexts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from federation.aggregation.claims import Claims
    from federation.aggregation.manifest import EncryptedVector, Manifest
    from federation.paillier.keys import PrivateKey


class KeyHolder:
    """The private key and the record of claims; ``repr`` shows the key's size and fingerprint."""

    def __init__(self, key: PrivateKey, answers: Claims, *, processes: int = 1) -> None:
        """Join the key and its claims; both are stored in the key holder's directory only.

        Args:
            key: the private key.
            answers: the durable record.
            processes: most processes that share the opening of one sum.
        """
        self.public = key.public
        self._decryptor = Decryptor(key, processes=processes)
        self._answers = answers

    def __repr__(self) -> str:
        return f"KeyHolder({self.public.bits} bits, fingerprint {self.public.fingerprint[:16]})"

    def open_sum(self, manifest: Manifest, total: EncryptedVector, *, sender: str) -> npt.NDArray[np.int64]:
        """Open the sum of one attempt, once.

        Visible to: the key holder, then the receivers in the plan.
        Cost: about 14 ms a ciphertext at 3072 bits.

        Args:
            manifest: the manifest; the caller has checked its cohort's signatures.
            total: the aggregator's sum.
            sender: name in the certificate of the channel's peer.

        Returns:
            Sums over the cohort, shape ``(layout.length,)``.

        Raises:
            KeyMismatchError: manifest or sum name another key.
            UpdateRejectedError: made for another manifest, or the attempt or a later one was answered before.
            CiphertextInvalidError: length, range, common factor; after the claim one reason for every cause.
            SiteUnavailableError: a process that shares the opening ended early; the attempt is spent.
        """
        layout = manifest.layout
        check_key(manifest, self.public)
        if total.key_fingerprint != self.public.fingerprint:
            raise KeyMismatchError(reason="the sum is encrypted under another key")
        digest = manifest.digest()
        if total.attempt != manifest.attempt or total.manifest_digest != digest:
            raise UpdateRejectedError(site=sender, reason="the sum was made for another manifest")
        # these checks need no secret, so that a failure here does not cost the attempt
        parse_ciphertexts(total.ciphertexts, n=self.public.n, count=layout.count)
        self._answers.claim(manifest.attempt, manifest_digest=digest, sender=sender)
        try:
            return unpack_sum(self._decryptor.decrypt(total.ciphertexts, count=layout.count), layout)
        except CiphertextInvalidError:
            raise CiphertextInvalidError(reason=REFUSED_SUM) from None
