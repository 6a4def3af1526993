"""Checks of a modulus and of a vector of ciphertexts, at every boundary, before any use.

Layer:       federation.paillier.validation, the lowest module of this package. Pure.
Terms:       a boundary is any place where a number comes from another party: the wire, a file, another process.
Guarantees:  a ciphertext vector from ``parse_ciphertexts`` has the planned count, and every entry ``c`` has ``0 < c <
             n^2`` and ``gcd(c, n) = 1``. A range check alone is not enough: ``n`` itself is in range, and one
             decryption of a multiple of n reveals the private key.
See instead: a proof that n has exactly two prime factors. A modulus with more of them weakens the confidentiality
             that its owner guarantees, and the owner reads the sums anyway.
Source:      Paillier, Eurocrypt 1999; rule P15 for the order of checks; GMP's test (Baillie-PSW and Miller-Rabin) for
             primes.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import gmpy2

from federation.errors import CiphertextInvalidError

if TYPE_CHECKING:
    from collections.abc import Sequence

FLOOR_BITS: Final = 2_048
CEILING_BITS: Final = 16_384
SMALL_FACTOR_BOUND: Final = 1 << 16
PRIME_TEST_ROUNDS: Final = 40


@functools.cache
def small_primes_product() -> int:
    """Return the product of all odd primes below 2^16; a common factor with it is a small factor."""
    return int(gmpy2.primorial(SMALL_FACTOR_BOUND) // 2)


def modulus_mistake(n: int, *, floor_bits: int = FLOOR_BITS) -> str | None:
    """Return what is wrong with a modulus, or None. Takes 10 to 20 ms at 3072 bits.

    Args:
        n: the modulus as received.
        floor_bits: least size accepted.
    """
    if type(n) is not int or n <= 0:
        return "the modulus is not a positive integer"
    if n.bit_length() < floor_bits:
        return f"the modulus has {n.bit_length()} bits, at least {floor_bits} are needed"
    if n.bit_length() > CEILING_BITS:
        return f"the modulus has {n.bit_length()} bits, at most {CEILING_BITS} are accepted"
    if n % 2 == 0:
        return "the modulus is even"
    if gmpy2.gcd(n, small_primes_product()) != 1:
        return f"the modulus has a prime factor below {SMALL_FACTOR_BOUND}"
    if gmpy2.is_power(n):
        return "the modulus is a perfect power"
    if gmpy2.is_prime(n):
        return "the modulus is prime"
    return None


def base_mistake(n: int, base: int) -> str | None:
    """Return what is wrong with the base of a short-exponent key, or None. Takes 0.1 to 0.3 s at 3072 bits.

    What its owner alone can see (the order of the base modulo each prime) is not checked here: see ``keys``.

    Args:
        n: a modulus that passed ``modulus_mistake``.
        base: h, of which all obfuscators are powers.
    """
    if type(base) is not int or not 1 < base < n - 1:
        return "the base is not between 1 and n - 1"
    if gmpy2.gcd(base, n) != 1:
        return "the base shares a factor with n"
    if gmpy2.jacobi(base, n) != 1:
        return "the base has not the Jacobi symbol 1"
    # modulo neither prime may its order be a product of small primes: obfuscators would hide nothing there
    small = gmpy2.powmod(base, 2 * small_primes_product(), n)
    if gmpy2.gcd(small - 1, n) != 1:
        return "the base has a small order"
    return None


def ciphertext_bytes(n: int) -> int:
    """Return the fixed width of one ciphertext on the wire: the bytes of n^2."""
    return ((n * n).bit_length() + 7) // 8


def parse_ciphertexts(data: bytes | memoryview, *, n: int, count: int) -> list[int]:
    """Read a vector of fixed-width ciphertexts and check every one.

    Args:
        data: ``count * ciphertext_bytes(n)`` bytes, each ciphertext big end first.
        n: the modulus, validated before.
        count: number of ciphertexts by the plan; at least 1.

    Returns:
        The ciphertexts as ``gmpy2.mpz``.

    Raises:
        CiphertextInvalidError: wrong length, a ciphertext not in ``0 < c < n^2``, or a common factor with n.
    """
    width = ciphertext_bytes(n)
    if not isinstance(data, bytes | memoryview):
        raise CiphertextInvalidError(reason="the vector is not bytes")
    if count < 1 or len(data) != count * width:
        raise CiphertextInvalidError(
            reason=f"the vector has {len(data)} bytes, {count} times {width} are planned"
        )
    values = [
        gmpy2.mpz.from_bytes(bytes(data[start : start + width]), "big")
        for start in range(0, len(data), width)
    ]
    check_ciphertexts(values, n=n)
    return values


def check_ciphertexts(values: Sequence[int], *, n: int) -> None:
    """Check range and common factors of ciphertexts.

    One gcd for the whole vector: a product shares a factor with n exactly when one of its factors does.

    Raises:
        CiphertextInvalidError: with the index of the first ciphertext that fails.
    """
    modulus = gmpy2.mpz(n)
    n_squared = modulus * modulus
    for index, value in enumerate(values):
        if not 0 < value < n_squared:
            raise CiphertextInvalidError(reason="it is not between 0 and n^2", index=index)
    product = gmpy2.mpz(1)
    for value in values:
        product = product * value % modulus
    if gmpy2.gcd(product, modulus) == 1:
        return
    for index, value in enumerate(values):
        if gmpy2.gcd(value, modulus) != 1:
            raise CiphertextInvalidError(reason="it shares a factor with n", index=index)


def serialise_ciphertexts(values: Sequence[int], *, n: int) -> bytes:
    """Write ciphertexts one after the other, each ``ciphertext_bytes(n)`` wide and big end first."""
    width = ciphertext_bytes(n)
    return b"".join(int(value).to_bytes(width, "big") for value in values)
