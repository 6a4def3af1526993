"""One site's way from integers to an encrypted update: pack, mask, encrypt.

Layer:       federation.aggregation.update_cipher, above masks and mask_keys; at sites alone.
Guarantees:  no plaintext is encrypted without the masks of the whole cohort. The keys of the masks are known before the
             attempt starts at this site, so that a peer that cannot be reached costs nothing here.
             Obfuscators are drawn ahead in the background for updates of some size.
See instead: clip, noise and clamp, which come before (``federation.training.local_update``).
Source:      docs/guarantees.md P13, P15.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from federation.aggregation.manifest import EncryptedVector, vector_for
from federation.aggregation.masks import mask_tag, masked
from federation.paillier.packing import pack

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from federation.aggregation.manifest import Manifest
    from federation.aggregation.mask_keys import MaskKeys
    from federation.paillier.cipher import Encryptor


# a smaller update is encrypted on the spot in less time than a child process takes to start
POOL_PAYS_FROM: Final = 32


class UpdateCipher:
    """A site's public key and its mask keys with the other sites."""

    def __init__(self, encryptor: Encryptor, mask_keys: MaskKeys) -> None:
        """Join both; ``mask_keys`` names the site."""
        self._encryptor, self._mask_keys = encryptor, mask_keys

    @property
    def key_fingerprint(self) -> str:
        """Of the key under which updates are encrypted."""
        return self._encryptor.key.fingerprint

    def serve(self) -> None:
        """Answer the other sites, which ask for this site's mask key."""
        self._mask_keys.serve()

    def pair_keys(self, manifest: Manifest) -> Mapping[str, bytes]:
        """Return the mask keys of an attempt; errors as ``MaskKeys.pair_keys``."""
        return self._mask_keys.pair_keys(manifest.attempt.run, manifest.cohort)

    def prepare(self, manifest: Manifest) -> None:
        """Have obfuscators drawn in the background for an update of this size, and again after each update."""
        if manifest.layout.count >= POOL_PAYS_FROM:
            self._encryptor.pool.fill(manifest.layout.count)

    def close(self) -> None:
        """Erase the obfuscators drawn ahead and end the process that draws them."""
        self._encryptor.pool.close()

    def forget_peers(self) -> None:
        """Ask every peer for its key again in the next attempt: one may have another key by now."""
        self._mask_keys.forget()

    def update(
        self, values: npt.NDArray[np.int64], manifest: Manifest, keys: Mapping[str, bytes]
    ) -> EncryptedVector:
        """Pack, mask and encrypt.

        Args:
            values: clamped and noised integers, shape ``(layout.length,)``.
            manifest: of the attempt.
            keys: from ``pair_keys``.

        Returns:
            The update, with the tag of each pair key.

        Raises:
            UpdateRejectedError: values of another type, shape or range.
        """
        site, n = self._mask_keys.site, self._encryptor.key.n
        plaintexts = masked(pack(values, manifest.layout, site=site), manifest, site=site, keys=keys, n=n)
        tags = {name: mask_tag(key, manifest) for name, key in keys.items()}
        return vector_for(manifest, self._encryptor.encrypt(plaintexts), mask_tags=tags)
