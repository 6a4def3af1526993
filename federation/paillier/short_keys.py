"""Makes keys of short exponents: faster to decrypt with, under one more assumption.

Layer:       federation.paillier.short_keys, above ``keys``. Randomness from ``secrets`` alone.
Terms:       h generates a subgroup of Z_n^* of secret order a b, with a prime a that divides p - 1 and another prime b
             that divides q - 1. Obfuscators are powers of h^n; modulo p^2 the exponent a takes them away, where a key of
             full exponents needs p - 1.
Guarantees:  a and b are different, drawn afresh, of ``SUBGROUP_BITS`` bits each: the best known attack on the subgroup
             takes the square root of one of them in steps. p and q meet every condition of ``keys`` as well. Such a
             key is made only where its type is asked for by name.
Source:      Paillier, Eurocrypt 1999, section 6 (scheme 3, the fast variant); Jost, Lam, Maximov, Smeets, eprint 2015/864;
             docs/adr/0028, which says what it rests on.
"""

from __future__ import annotations

import secrets

import gmpy2

from federation.errors import KeyMismatchError
from federation.paillier.keys import (
    DEFAULT_BITS,
    SHORT_CEILING_BITS,
    SUBGROUP_BITS,
    TESTING_FLOOR_BITS,
    TESTING_SUBGROUP_BITS,
    PrivateKey,
    pair_mistake,
)
from federation.paillier.validation import FLOOR_BITS, PRIME_TEST_ROUNDS, small_primes_product


def generate_short_key(*, bits: int = DEFAULT_BITS, testing_bits: int | None = None) -> PrivateKey:
    """Make a key of short exponents. Takes about two seconds at 3072 bits.

    Visible to: the key holder's process alone.

    Args:
        bits: size of n; even, from 2048 to 3072.
        testing_bits: tests only: the size of n, 256 or more; takes the place of ``bits``.

    Raises:
        KeyMismatchError: another size.
    """
    size = bits if testing_bits is None else testing_bits
    least, most = (FLOOR_BITS, SHORT_CEILING_BITS)
    if testing_bits is not None:
        least = TESTING_FLOOR_BITS
    if type(size) is not int or size % 2 or not least <= size <= most:
        raise KeyMismatchError(
            reason=f"a key of short exponents needs an even number of bits, {FLOOR_BITS} to {SHORT_CEILING_BITS}"
        )
    subgroup_bits = SUBGROUP_BITS if testing_bits is None else TESTING_SUBGROUP_BITS
    while True:
        order_p, order_q = _order(subgroup_bits), _order(subgroup_bits)
        p, q = _prime_over(order_p, size // 2), _prime_over(order_q, size // 2)
        if order_p != order_q and pair_mistake(p, q) is None:
            base = _joined(_generator(p, order_p), _generator(q, order_q), p, q)
            return PrivateKey(p, q, testing_bits, base=base, subgroup=(order_p, order_q))


def _order(bits: int) -> int:
    """Draw a prime of exactly so many bits."""
    while True:
        candidate = secrets.randbits(bits) | (1 << (bits - 1)) | 1
        if gmpy2.is_prime(candidate, PRIME_TEST_ROUNDS):
            return candidate


def _prime_over(order: int, bits: int) -> int:
    """Draw a prime ``p = 2 order k + 1`` of exactly ``bits`` bits, with k odd and without small factors."""
    product = small_primes_product()
    while True:
        # every candidate is drawn afresh, as for keys of full exponents; k odd makes p = 3 (mod 4)
        k = (secrets.randbits(bits) | (3 << (bits - 2))) // (2 * order) | 1
        candidate = 2 * order * k + 1
        if candidate.bit_length() != bits or gmpy2.gcd(candidate * k, product) != 1:
            continue
        if gmpy2.is_prime(candidate, PRIME_TEST_ROUNDS):
            return candidate


def _generator(prime: int, order: int) -> int:
    """Draw an element of this prime order modulo a prime."""
    while True:
        element = int(gmpy2.powmod(secrets.randbelow(prime - 2) + 2, (prime - 1) // order, prime))
        if element != 1:
            return element


def _joined(modulo_p: int, modulo_q: int, p: int, q: int) -> int:
    """Return the number modulo p q with these two remainders."""
    return int(modulo_p + (modulo_q - modulo_p) * gmpy2.invert(p, q) % q * p)
