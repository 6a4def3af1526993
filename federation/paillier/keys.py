"""Paillier keys: their conditions, and how to make a new one.

Layer:       federation.paillier.keys, above ``validation``. No file, no socket; randomness from ``secrets`` alone.
Terms:       ``n = p q``; the generator is n + 1 by definition and is never read from outside; the fingerprint is the
             SHA-256 of n, which plans and configuration state.
Guarantees:  every ``PublicKey`` in this product passed ``modulus_mistake`` when it was made, and every ``PrivateKey``
             has p = q = 3 (mod 4), gcd(p - 1, q - 1) = 2, no odd factor of p - 1 or q - 1 below 2^16, p and q
             different, of one size and far apart, and gcd(n, phi) = 1. There are two types of key, and every manifest
             states which: with full exponents (the default, and every key from another library), and with short
             exponents, a subgroup of secret order and a public base of it (``short_keys`` makes one; docs/adr/0028).
             A key without ``subgroup`` is only ever used with the exponents p - 1 and q - 1.
             Keys below 2048 bits, whose primes have fewer than 1024, exist only for callers that set ``testing_bits``,
             which no configuration, file or message reaches. A private key's ``repr`` shows its size and fingerprint.
See instead: key files (``key_files``), encryption (``cipher``), decryption (``decrypt``). Python cannot wipe an
             integer from memory: protect the key holder's machine.
Source:      Paillier, Eurocrypt 1999; conditions on p and q from Damgard, Jurik, Nielsen, IJIS 9(6), 2010, section
             4.1 (see docs/adr/0011); |p - q| from FIPS 186-5, A.1.3.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Final

import gmpy2

from federation.errors import KeyMismatchError
from federation.paillier.validation import (
    FLOOR_BITS,
    PRIME_TEST_ROUNDS,
    base_mistake,
    ciphertext_bytes,
    modulus_mistake,
    small_primes_product,
)

if TYPE_CHECKING:
    from phe import PaillierPrivateKey, PaillierPublicKey

DEFAULT_BITS: Final = 3_072
FULL_EXPONENT: Final = "full-exponent"
SHORT_EXPONENT: Final = "short-exponent"
TESTING_FLOOR_BITS: Final = 256
# the order of the base has two secret primes of this size, one modulo each prime of n: finding one takes 2^128 steps
SUBGROUP_BITS: Final = 256
TESTING_SUBGROUP_BITS: Final = 64
SHORT_CEILING_BITS: Final = 3_072
_FINGERPRINT_TAG: Final = b"crossward/paillier/key/1\n"
_SHORT_FINGERPRINT_TAG: Final = b"crossward/paillier/short-key/1\n"
# FIPS 186-5 asks |p - q| > 2^(bits/2 - 100): closer primes fall to Fermat's method
_DISTANCE_SLACK_BITS: Final = 100
_FIRST_BOUND: Final = 1000


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A checked modulus.

    Attributes:
        n: the modulus.
        testing_bits: tests only: accept a modulus of this size below the minimum.
        base: h, of which all obfuscators are powers; 0 for a key of full exponents, whose base follows from n.
        n_squared: bound of every ciphertext.
        ciphertext_bytes: width of one ciphertext on the wire.
        fingerprint: 64 hexadecimal digits; a plan states it.
    """

    n: int
    testing_bits: InitVar[int | None] = None
    base: int = field(default=0, repr=False)
    n_squared: int = field(init=False, repr=False, compare=False)
    ciphertext_bytes: int = field(init=False, compare=False)
    fingerprint: str = field(init=False, compare=False)

    def __post_init__(self, testing_bits: int | None) -> None:
        mistake = modulus_mistake(self.n, floor_bits=_floor(testing_bits))
        if mistake is not None:
            raise KeyMismatchError(reason=mistake)
        mistake = self._base_mistake(is_testing=testing_bits is not None)
        if mistake is not None:
            raise KeyMismatchError(reason=mistake)
        object.__setattr__(self, "n_squared", self.n * self.n)
        object.__setattr__(self, "ciphertext_bytes", ciphertext_bytes(self.n))
        known = _FINGERPRINT_TAG + self.to_bytes()
        if self.is_short:
            known = _SHORT_FINGERPRINT_TAG + self.to_bytes() + self.base.to_bytes(len(self.to_bytes()), "big")
        object.__setattr__(self, "fingerprint", hashlib.sha256(known).hexdigest())

    def _base_mistake(self, *, is_testing: bool) -> str | None:
        if not self.is_short:
            return None
        if self.bits > SHORT_CEILING_BITS and not is_testing:
            return f"a key of short exponents has at most {SHORT_CEILING_BITS} bits"
        return base_mistake(self.n, self.base)

    @property
    def is_short(self) -> bool:
        """Whether it is a key of short exponents."""
        return self.base != 0

    @property
    def key_type(self) -> str:
        """The type as plans state it."""
        return SHORT_EXPONENT if self.is_short else FULL_EXPONENT

    def __repr__(self) -> str:
        return f"PublicKey({self.bits} bits, fingerprint {self.fingerprint[:16]})"

    @property
    def bits(self) -> int:
        """Size of the modulus in bits."""
        return self.n.bit_length()

    def to_bytes(self) -> bytes:
        """Return n, big end first, without leading zeros: its form on the wire."""
        return self.n.to_bytes((self.bits + 7) // 8, "big")

    def to_phe(self) -> PaillierPublicKey:
        """Return the same key as an object of python-paillier."""
        from phe import PaillierPublicKey

        return PaillierPublicKey(self.n)


@dataclass(frozen=True, slots=True, eq=False)
class PrivateKey:
    """The two primes, and the public key of their product.

    Attributes:
        p: one prime.
        q: the other.
        testing_bits: tests only: accept a modulus of this size below the minimum.
        base: of a key of short exponents: h; else 0.
        subgroup: of a key of short exponents: the prime order of h modulo p, and that modulo q.
        public: the public key.
    """

    p: int = field(repr=False)
    q: int = field(repr=False)
    testing_bits: InitVar[int | None] = None
    base: int = field(default=0, repr=False)
    subgroup: tuple[int, int] | None = field(default=None, repr=False)
    public: PublicKey = field(init=False)

    def __post_init__(self, testing_bits: int | None) -> None:
        mistake = _primes_mistake(self.p, self.q)
        if mistake is None:
            least = SUBGROUP_BITS if testing_bits is None else TESTING_SUBGROUP_BITS
            mistake = _subgroup_mistake(self, least)
        if mistake is not None:
            raise KeyMismatchError(reason=mistake)
        object.__setattr__(self, "public", PublicKey(self.p * self.q, testing_bits, base=self.base))

    def __repr__(self) -> str:
        return f"PrivateKey({self.public.bits} bits, fingerprint {self.public.fingerprint[:16]})"

    def to_phe(self) -> PaillierPrivateKey:
        """Return the same key as an object of python-paillier."""
        from phe import PaillierPrivateKey

        return PaillierPrivateKey(self.public.to_phe(), self.p, self.q)


def _subgroup_mistake(key: PrivateKey, least_bits: int) -> str | None:
    """Return why base and subgroup do not make a key of short exponents, or None; both are absent in one of full ones."""
    if key.subgroup is None or key.base == 0:
        return None if key.subgroup is None and key.base == 0 else "a base and its order go together"
    if key.subgroup[0] == key.subgroup[1]:
        return "the primes of the subgroup are not different"
    for order, prime in zip(key.subgroup, (key.p, key.q), strict=True):
        if type(order) is not int or order.bit_length() < least_bits:
            return f"a prime of the subgroup has fewer than {least_bits} bits"
        if not gmpy2.is_prime(order, PRIME_TEST_ROUNDS) or (prime - 1) % order:
            return "the subgroup is not one of prime order"
        if key.base % prime == 1 or gmpy2.powmod(key.base, order, prime) != 1:
            return "the base does not generate the subgroup"
    return None


def generate_private_key(*, bits: int = DEFAULT_BITS, testing_bits: int | None = None) -> PrivateKey:
    """Make a new key. Takes about a second at 3072 bits.

    Visible to: the key holder's process alone.

    Args:
        bits: size of n; even, 2048 or more.
        testing_bits: tests only: the size of n, 256 or more; takes the place of ``bits``.

    Raises:
        KeyMismatchError: the size is below the minimum, or odd.
    """
    size = bits if testing_bits is None else testing_bits
    if type(size) is not int or size % 2 or size < _floor(testing_bits):
        raise KeyMismatchError(reason=f"a key needs an even number of bits, at least {FLOOR_BITS}")
    while True:
        p, q = _prime(size // 2), _prime(size // 2)
        if pair_mistake(p, q) is None:
            return PrivateKey(p, q, testing_bits)


def _floor(testing_bits: int | None) -> int:
    return FLOOR_BITS if testing_bits is None else max(testing_bits, TESTING_FLOOR_BITS)


def _prime(bits: int) -> int:
    """Draw a prime p of exactly ``bits`` bits, 3 mod 4, top two bits set, p - 1 without small odd factors."""
    product, first = small_primes_product(), int(gmpy2.primorial(_FIRST_BOUND) // 2)
    while True:
        # every candidate is drawn afresh: steps from one start would favour primes after long gaps
        candidate = secrets.randbits(bits) | (3 << (bits - 2)) | 3
        tested = candidate * (candidate // 2)
        # nearly all candidates have a factor below 1000, which a short product finds sooner than the long one
        if gmpy2.gcd(tested, first) != 1 or gmpy2.gcd(tested, product) != 1:
            continue
        if gmpy2.is_prime(candidate, PRIME_TEST_ROUNDS):
            return candidate


def _primes_mistake(p: int, q: int) -> str | None:
    """Return why p and q do not make a key, or None."""
    for prime in (p, q):
        if type(prime) is not int or prime < 3 or not gmpy2.is_prime(prime, PRIME_TEST_ROUNDS):  # noqa: PLR2004
            return "a factor of the private key is not a prime"
        if gmpy2.gcd(prime // 2, small_primes_product()) != 1:
            return "p - 1 or q - 1 has a small odd factor"
    return pair_mistake(p, q)


def pair_mistake(p: int, q: int) -> str | None:
    """Return why two primes do not go together, or None."""
    n, phi = p * q, (p - 1) * (q - 1)
    if p % 4 != 3 or q % 4 != 3:  # noqa: PLR2004 - Blum primes, so that -1 is a square modulo neither
        return "p and q are not both 3 modulo 4"
    if abs(p - q) < 1 << max(0, n.bit_length() // 2 - _DISTANCE_SLACK_BITS):
        return "p and q are too close to each other"
    if math.gcd(p - 1, q - 1) != 2:  # noqa: PLR2004
        return "p - 1 and q - 1 share more than the factor 2"
    if math.gcd(n, phi) != 1:
        return "n and phi(n) share a factor"
    if p.bit_length() != q.bit_length():
        return "p and q are not of one size"
    return None
