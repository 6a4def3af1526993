"""Draws obfuscators: random n-th powers, from public numbers alone.

Layer:       federation.paillier.obfuscators, above ``validation``. Randomness from ``secrets`` alone: there is no way to
             hand in a seed.
Terms:       a *recipe* says how a key's obfuscators are drawn; it holds public numbers alone.
See instead: the two kinds and what each rests on (``cipher``), obfuscators drawn ahead (``obfuscator_pool``).
Source:      Damgard, Jurik, Nielsen, IJIS 9(6):371-385, 2010, section 4.1; docs/adr/0011.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

import gmpy2

_WINDOW_VALUES: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a key's obfuscators are drawn.

    Attributes:
        n: the modulus.
        base: ``h``, of which powers are drawn; 0 for ``r^n`` with r uniform modulo n.
        exponent_bytes: bytes of a random exponent of h; 0 where there is none.
    """

    n: int
    base: int
    exponent_bytes: int


class ObfuscatorSource:
    """Draws obfuscators after one recipe; by one thread at a time."""

    def __init__(self, recipe: Recipe) -> None:
        """Take a recipe; cheap."""
        self.recipe = recipe
        self._n = gmpy2.mpz(recipe.n)
        self._n_squared = self._n * self._n
        self._power = gmpy2.powmod(recipe.base, self._n, self._n_squared) if recipe.base else None
        self._table: list[list[int]] | None = None

    @property
    def has_table(self) -> bool:
        """Whether powers are read from a table (about 36 MiB at 3072 bits and exponents of half length)."""
        return self._table is not None

    def draw(self) -> int:
        """Return a fresh obfuscator as ``gmpy2.mpz``, ``0 < u < n^2``.

        Visible to: this process; it opens the one plaintext that is encrypted with it.
        """
        if self._power is None:
            return self._full()
        exponent = secrets.token_bytes(self.recipe.exponent_bytes)
        if self._table is None:
            return gmpy2.powmod(self._power, int.from_bytes(exponent, "little"), self._n_squared)  # type: ignore[no-any-return]
        product = gmpy2.mpz(1)
        for window, digit in zip(self._table, exponent, strict=True):
            product = product * window[digit] % self._n_squared
        return product  # type: ignore[no-any-return]

    def _full(self) -> int:
        while True:
            root = secrets.randbelow(self.recipe.n)
            if root > 0 and gmpy2.gcd(root, self._n) == 1:
                return gmpy2.powmod(root, self._n, self._n_squared)  # type: ignore[no-any-return]

    def build_table(self) -> None:
        """Tabulate ``base^(d 256^i)`` for every byte value d and every byte i of the exponent; costs about 50 draws."""
        if self._power is None or self._table is not None:
            return
        windows, step = [], self._power
        for _ in range(self.recipe.exponent_bytes):
            row = [gmpy2.mpz(1)]
            for _ in range(_WINDOW_VALUES):
                row.append(row[-1] * step % self._n_squared)
            step = row.pop()
            windows.append(row)
        self._table = windows
