"""Decryption with the private key.

Layer:       federation.paillier.decrypt, the topmost module of this package. ``federation.aggregation.open_sum`` is
             its only importer.
Guarantees:  the whole vector is checked (exact length, range, common factor with n) before the first decryption,
             whatever the caller has checked before: one decryption of a multiple of n reveals the private key. Before
             a logarithm is taken, the powered ciphertext must be 1 mod p and 1 mod q. With the exponents p - 1 and q
             - 1 it always is; with the shorter ones of a key that was made for them (``short_keys``) -1 mod n^2, which
             passes length, range and gcd, would reveal the key. No other key takes the short way.
             Every failure here has one reason and no index.
See instead: the receivers of a sum, and how often it is opened (``aggregation.open_sum``). Nothing here is constant
             time: run it on a machine of its own.
Source:      Paillier, Eurocrypt 1999, section 7 (decryption by Chinese remaindering); rule P15.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import gmpy2

from federation.errors import CiphertextInvalidError
from federation.paillier.powers import raised
from federation.paillier.validation import parse_ciphertexts

if TYPE_CHECKING:
    from federation.paillier.keys import PrivateKey


# one text for every cause that only the private key can see: the failed check would reveal part of the plaintext
REFUSED_SUM: Final = (
    "a check of the decrypted sum failed (form, counter of contributors, or a slot out of range): "
    "the attempt is spent"
)


class Decryptor:
    """Decrypts vectors under one private key; its ``repr`` shows the size and fingerprint of the key."""

    def __init__(self, key: PrivateKey, *, processes: int = 1) -> None:
        """Precompute the values that depend on the key alone.

        Args:
            key: the private key.
            processes: most processes that share the work of one vector.
        """
        self.public, self._processes = key.public, processes
        p, q, n = gmpy2.mpz(key.p), gmpy2.mpz(key.q), gmpy2.mpz(key.public.n)
        self._p, self._q, self._p_squared, self._q_squared = p, q, p * p, q * q
        # the short way for a key that was made for it, and for no other
        exponents: tuple[int, int] = (p - 1, q - 1) if key.subgroup is None else key.subgroup
        self._exponent_p, self._exponent_q = exponents
        # L_p(g^e mod p^2)^-1 mod p with g = n + 1 and the exponent e
        self._h_p = gmpy2.invert((gmpy2.powmod(n + 1, self._exponent_p, self._p_squared) - 1) // p, p)
        self._h_q = gmpy2.invert((gmpy2.powmod(n + 1, self._exponent_q, self._q_squared) - 1) // q, q)
        self._p_inverse = gmpy2.invert(p, q)

    def __repr__(self) -> str:
        return f"Decryptor({self.public.bits} bits, fingerprint {self.public.fingerprint[:16]})"

    def decrypt(self, data: bytes, *, count: int) -> list[int]:
        """Decrypt a vector.

        Visible to: the key holder.
        Cost: about 14 ms a ciphertext at 3072 bits, shared by the processes.

        Args:
            data: a vector as ``cipher`` writes it.
            count: number of ciphertexts by the plan.

        Returns:
            The plaintexts, ``0 <= m < n``.

        Raises:
            CiphertextInvalidError: any ciphertext fails a check before decryption, and then none is decrypted; or
                    one is not a ciphertext of this key, and then no plaintext is returned.
            SiteUnavailableError: a process that shares the work ended early; no plaintext is returned.
        """
        values = parse_ciphertexts(data, n=self.public.n, count=count)
        pairs = (self._p_squared, self._exponent_p), (self._q_squared, self._exponent_q)
        return [self._decrypt_one(*both) for both in raised(values, pairs, processes=self._processes)]

    def _decrypt_one(self, powered_p: int, powered_q: int) -> int:
        p, q = self._p, self._q
        if powered_p % p != 1 or powered_q % q != 1:
            raise CiphertextInvalidError(reason=REFUSED_SUM)
        m_p = (powered_p - 1) // p * self._h_p % p
        m_q = (powered_q - 1) // q * self._h_q % q
        return int(m_p + (m_q - m_p) * self._p_inverse % q * p)
