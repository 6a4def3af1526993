"""The child that raises a part of a sum's ciphertexts to the powers that decryption needs.

Layer:       federation.paillier.power_process, above ``child_process``; runs as a program, started by ``powers``.
Shapes:      in: one line of JSON, ``count``, ``width`` and twice a modulus with its exponent, in hex; then ``count``
             numbers of ``width`` bytes, big end first. Out: two powers a number, each as wide as its modulus.
Guarantees:  the moduli and exponents are the private key. They come over the pipe, and are gone with this process, which
             ends after its one piece of work, or at its next number once its parent has ended.
See instead: the checks of the powers, and every step after them: the parent alone takes them (``decrypt``).
"""

from __future__ import annotations

import json
import sys

import gmpy2

from federation.paillier.child_process import begin_as_child, write_all


def main() -> None:
    """Read, raise, write."""
    begin_as_child()
    head = json.loads(sys.stdin.buffer.readline())
    pairs = [(gmpy2.mpz(modulus, 16), gmpy2.mpz(exponent, 16)) for modulus, exponent in head["pairs"]]
    width, data = int(head["width"]), sys.stdin.buffer.read()
    if len(data) != width * int(head["count"]):  # the parent ended while it wrote
        sys.exit(1)
    for start in range(0, len(data), width):
        value = gmpy2.mpz.from_bytes(data[start : start + width], "big")
        for modulus, exponent in pairs:
            power = gmpy2.powmod(value, exponent, modulus)
            if not write_all(1, int(power).to_bytes((modulus.bit_length() + 7) // 8, "big")):
                sys.exit(1)


if __name__ == "__main__":
    main()
