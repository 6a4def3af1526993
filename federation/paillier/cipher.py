"""Encrypts plaintext vectors and adds ciphertexts: everything that needs no secret.

Layer:       federation.paillier.cipher, above ``keys`` and ``obfuscator_pool``. Randomness from ``secrets`` alone: there
             is no way to hand in a seed.
Terms:       ``c = (1 + m n) u mod n^2``; u is the *obfuscator*, a random n-th power, used once.
Shapes:      a vector on the wire is ``count * key.ciphertext_bytes`` bytes, each ciphertext big end first. There is
             no exponent, no header and no count in it: all of that comes from the round's plan.
Guarantees:  the sum of vectors decrypts to the sum of the plaintexts mod n; every vector is checked before it is
             added.
See instead: the meaning of the plaintexts (``packing``), decryption. Nothing here is constant time: encrypt on the
             site's own machine.
Source:      Paillier, Eurocrypt 1999; Damgard, Jurik, Nielsen, IJIS 9(6):371-385, 2010, section 4.1; docs/adr/0011.

Two kinds of obfuscators, ``Randomness``:

* ``HALF_LENGTH`` (default): ``h = -x^2 mod n``, ``u = (h^n)^r mod n^2``, r uniform of half the bits of n.
  Secure under decisional composite residuosity (DCR) *and* the further assumption that h^r for such an r
  cannot be distinguished from a random element of the group that h generates. That is an assumption beyond DCR, for a
  group of unknown order; nothing weaker than it is claimed here. x comes out of SHAKE-256(n), modelled as a random
  function, so that no party chose it.
* ``FULL``: ``u = r^n mod n^2`` with r uniform in 1 .. n - 1 and prime to n. DCR alone; ten times slower
  and more.

Under a key of short exponents obfuscators are powers of the key's own base: docs/adr/0028.
"""

from __future__ import annotations

import hashlib
import math
import threading
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import gmpy2

from federation.errors import CiphertextInvalidError, KeyMismatchError
from federation.paillier.keys import SUBGROUP_BITS
from federation.paillier.obfuscator_pool import ObfuscatorPool
from federation.paillier.obfuscators import ObfuscatorSource, Recipe
from federation.paillier.validation import parse_ciphertexts, serialise_ciphertexts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from federation.paillier.keys import PublicKey

BASE_TAG: Final = b"crossward/paillier/base/1\n"
# as long as the order of the base and 128 bits more: within 2^-128 of uniform over the subgroup
SHORT_EXPONENT_BYTES: Final = (2 * SUBGROUP_BITS + 128) // 8
_EXTRA_BYTES: Final = 16
# building the table costs about as much as this many obfuscators without it
_TABLE_PAYS_FROM: Final = 48


class Randomness(StrEnum):
    """The distribution of obfuscators; the module's header says what each rests on."""

    HALF_LENGTH = "half_length"
    FULL = "full"


def derived_base(n: int) -> int:
    """Return ``h = -x^2 mod n`` with x read from SHAKE-256(n): equal for all parties, chosen by none.

    Accuracy: x is within 2^-128 of uniform modulo n if SHAKE-256 is a random function.
    """
    n_bytes = n.to_bytes((n.bit_length() + 7) // 8, "big")
    counter = 0
    while True:
        seed = BASE_TAG + counter.to_bytes(4, "big") + n_bytes
        x = int.from_bytes(hashlib.shake_256(seed).digest(len(n_bytes) + _EXTRA_BYTES), "big") % n
        if 1 < x < n - 1 and math.gcd(x, n) == 1:
            return n - x * x % n
        counter += 1


def recipe_of(key: PublicKey, randomness: Randomness) -> Recipe:
    """Return how obfuscators under a key are drawn: from public numbers alone.

    Raises:
        KeyMismatchError: ``FULL`` under a key of short exponents, which could not decrypt it.
    """
    if key.is_short:
        if randomness is Randomness.FULL:
            raise KeyMismatchError(reason="a key of short exponents has obfuscators of its own base alone")
        return Recipe(n=key.n, base=key.base, exponent_bytes=SHORT_EXPONENT_BYTES)
    if randomness is Randomness.FULL:
        return Recipe(n=key.n, base=0, exponent_bytes=0)
    # one byte of the exponent is one window of the table; ceil(|n| / 2) bits, rounded up to whole bytes
    return Recipe(n=key.n, base=derived_base(key.n), exponent_bytes=(key.bits + 15) // 16)


class Encryptor:
    """Encrypts under one public key; keeps a power table once it pays (about 36 MiB at 3072 bits)."""

    def __init__(self, key: PublicKey, *, randomness: Randomness = Randomness.HALF_LENGTH) -> None:
        """Take a key; cheap. The pool is empty until it is filled."""
        self.key = key
        self.randomness = Randomness(randomness)
        self._n = gmpy2.mpz(key.n)
        self._n_squared = gmpy2.mpz(key.n_squared)
        recipe = recipe_of(key, self.randomness)
        self.pool = ObfuscatorPool(recipe)
        self._source = ObfuscatorSource(recipe)
        self._drawn = 0
        self._lock = threading.Lock()

    def encrypt(self, plaintexts: Sequence[int]) -> bytes:
        """Encrypt a vector, each plaintext with an obfuscator of its own: from the pool, or drawn on the spot.

        Visible to: the site that owns the plaintexts.
        Cost: at 3072 bits 30 us a plaintext from the pool, else about 3 ms (``HALF_LENGTH`` with its table) or 40 ms
            (``FULL``).

        Args:
            plaintexts: integers ``0 <= m < n``.

        Raises:
            CiphertextInvalidError: a plaintext outside of that range.
        """
        for index, plaintext in enumerate(plaintexts):
            if type(plaintext) is not int or not 0 <= plaintext < self.key.n:
                raise CiphertextInvalidError(
                    reason="the plaintext is not an integer between 0 and n", index=index
                )
        ready = self.pool.take(len(plaintexts))
        self._prepare(len(plaintexts) - len(ready))
        draw = self._source.draw
        values = [
            (1 + plaintext * self._n) * (ready.pop() if ready else draw()) % self._n_squared
            for plaintext in plaintexts
        ]
        return serialise_ciphertexts(values, n=self.key.n)

    def _prepare(self, n_drawn: int) -> None:
        """Build the table once more was drawn on the spot than it costs; a small model never does."""
        with self._lock:
            self._drawn += n_drawn
            if self._drawn >= _TABLE_PAYS_FROM:
                self._source.build_table()


def add_vectors(key: PublicKey, vectors: Sequence[bytes], *, count: int) -> bytes:
    """Add encrypted vectors: the result decrypts to the sums mod n.

    Visible to: ciphertexts only; run by the aggregator.
    Cost: about 10 us a ciphertext for the checks and 13 us for the product, at 3072 bits.

    Args:
        key: under which all of them were encrypted.
        vectors: at least one, each ``count`` ciphertexts.
        count: ciphertexts in a vector, from the round's layout.

    Raises:
        CiphertextInvalidError: there is no vector, or one fails a check.
    """
    if not vectors:
        raise CiphertextInvalidError(reason="there is no vector to add")
    totals = parse_ciphertexts(vectors[0], n=key.n, count=count)
    for vector in vectors[1:]:
        totals = add_checked(key, totals, parse_ciphertexts(vector, n=key.n, count=count))
    return serialise_ciphertexts(totals, n=key.n)


def add_checked(key: PublicKey, left: Sequence[int], right: Sequence[int]) -> list[int]:
    """Add two vectors of ciphertexts that ``parse_ciphertexts`` accepted; same length."""
    n_squared = gmpy2.mpz(key.n_squared)
    return [one * other % n_squared for one, other in zip(left, right, strict=True)]
