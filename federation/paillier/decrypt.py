"""The private key at work.

Floor:    federation.paillier.decrypt, the top of the room. ``federation.aggregation.open_sum`` is its only
          importer.
Promise:  the whole vector is checked (exact length, range, common factor with n) before the first
          decryption, whoever calls and whatever was checked before: one decryption of something that is 0
          mod n gives the private key away.
Not here: who may have what opened, and how often (``aggregation.open_sum``). Nothing here is constant time:
          run it on a machine that nobody else shares.
Source:   Paillier, Eurocrypt 1999, section 7 (decryption by Chinese remaindering).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gmpy2

from federation.paillier.validation import parse_ciphertexts

if TYPE_CHECKING:
    from federation.paillier.keys import PrivateKey


class Decryptor:
    """Decrypts vectors under one private key; its ``repr`` says the size and fingerprint of the key."""

    def __init__(self, key: PrivateKey) -> None:
        """Precompute what depends on the key alone."""
        self.public = key.public
        p, q, n = gmpy2.mpz(key.p), gmpy2.mpz(key.q), gmpy2.mpz(key.public.n)
        self._p, self._q, self._p_squared, self._q_squared = p, q, p * p, q * q
        # L_p(g^(p-1) mod p^2)^-1 mod p with g = n + 1
        self._h_p = gmpy2.invert((gmpy2.powmod(n + 1, p - 1, self._p_squared) - 1) // p, p)
        self._h_q = gmpy2.invert((gmpy2.powmod(n + 1, q - 1, self._q_squared) - 1) // q, q)
        self._p_inverse = gmpy2.invert(p, q)

    def __repr__(self) -> str:
        return f"Decryptor({self.public.bits} bits, fingerprint {self.public.fingerprint[:16]})"

    def decrypt(self, data: bytes, *, count: int) -> list[int]:
        """Decrypt a vector.

        Sees: the key holder.
        Cost: about 14 ms a ciphertext at 3072 bits.

        Args:
            data: a vector as ``cipher`` writes it.
            count: how many ciphertexts the plan says.

        Returns:
            The plaintexts, ``0 <= m < n``.

        Raises:
            CiphertextInvalidError: any ciphertext fails a check; then none is decrypted.
        """
        values = parse_ciphertexts(data, n=self.public.n, count=count)
        return [self._decrypt_one(value) for value in values]

    def _decrypt_one(self, value: int) -> int:
        p, q = self._p, self._q
        m_p = (gmpy2.powmod(value, p - 1, self._p_squared) - 1) // p * self._h_p % p
        m_q = (gmpy2.powmod(value, q - 1, self._q_squared) - 1) // q * self._h_q % q
        return int(m_p + (m_q - m_p) * self._p_inverse % q * p)
