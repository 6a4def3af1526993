"""Kinds of columns, and the public facts that each declares.

Layer:       analytics.schema above numbers.
Terms:       a numeric column lives on a grid: value = grid index x resolution, lower <= value <= upper. A category is
             stored as its position in the declared domain.
Guarantees:  a column that exists is valid; all mistakes of a column are reported at once.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from analytics.errors import Mistake, SchemaError
from analytics.schema.numbers import format_decimal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

MAX_GRID = 2**40
MAX_DOMAIN = 10_000
MAX_BINS = 1_000
MAX_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericColumn:
    """A number between public bounds, kept on a public grid.

    Attributes:
        name: the column's name.
        lower: smallest value; smaller ones are clipped to it.
        upper: largest value; larger ones are clipped to it.
        resolution: the grid's step; both bounds are multiples of it.
        unit: unit of measurement, free text (UCUM by habit).
        bins: edges from lower to upper; ``[a, b)`` each, the last one closed. Empty: cannot be grouped by.
        nullable: whether a missing value is a group of its own.
        guessed: bounds came from data and wait for a person's eye; refused in private mode.
        expected_mean: what a mean is expected to be, from earlier publications, never from these rows: noise of private
            means is divided for it. Left out: for any mean between the bounds.
    """

    name: str
    lower: Fraction
    upper: Fraction
    resolution: Fraction
    unit: str = ""
    bins: tuple[Fraction, ...] = ()
    nullable: bool = False
    guessed: bool = False
    expected_mean: Fraction | None = None

    def __post_init__(self) -> None:
        _raise_if_any(self._mistakes())

    def _mistakes(self) -> Iterator[Mistake]:
        if self.resolution <= 0:
            yield Mistake(path="resolution", problem="must be above 0")
            return
        if self.lower >= self.upper:
            yield Mistake(path="lower", problem="must be below upper")
        for path, value in (("lower", self.lower), ("upper", self.upper)):
            yield from self._off_grid(path, value)
        yield from self._bin_mistakes()
        if self.expected_mean is not None and not self.lower <= self.expected_mean <= self.upper:
            yield Mistake(path="expected_mean", problem="must lie between lower and upper")

    def _off_grid(self, path: str, value: Fraction) -> Iterator[Mistake]:
        index = value / self.resolution
        if index.denominator != 1:
            yield Mistake(path=path, problem="must be a multiple of the resolution")
        elif abs(index) > MAX_GRID:
            yield Mistake(path=path, problem="is more than 2^40 steps of the resolution from 0")

    def _bin_mistakes(self) -> Iterator[Mistake]:
        if not self.bins:
            return
        if not 2 <= len(self.bins) <= MAX_BINS + 1:  # noqa: PLR2004  two edges make one bin
            yield Mistake(path="bins", problem=f"needs 2 to {MAX_BINS + 1} edges")
        if any(a >= b for a, b in pairwise(self.bins)):
            yield Mistake(path="bins", problem="edges must increase")
        if self.bins[0] != self.lower or self.bins[-1] != self.upper:
            yield Mistake(path="bins", problem="must begin at lower and end at upper")
        for number, edge in enumerate(self.bins):
            yield from self._off_grid(f"bins[{number}]", edge)

    @property
    def grid_lower(self) -> int:
        """Grid index of the lower bound."""
        return int(self.lower / self.resolution)

    @property
    def grid_upper(self) -> int:
        """Grid index of the upper bound."""
        return int(self.upper / self.resolution)

    def to_dict(self) -> dict[str, object]:
        """Canonical form; numbers as decimal strings."""
        return {
            "type": "numeric",
            "lower": format_decimal(self.lower),
            "upper": format_decimal(self.upper),
            "resolution": format_decimal(self.resolution),
            "unit": self.unit,
            "bins": [format_decimal(edge) for edge in self.bins],
            "nullable": self.nullable,
            "guessed": self.guessed,
        } | self._expected()

    def _expected(self) -> dict[str, object]:
        """Nothing where it is left out, so that the digests of such schemas stay."""
        return {} if self.expected_mean is None else {"expected_mean": format_decimal(self.expected_mean)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoricalColumn:
    """A value from a public list.

    Attributes:
        name: the column's name.
        domain: the values, all texts or all integers, in their public order; anything else becomes NULL.
        nullable: whether a missing value is a group of its own.
        guessed: the domain came from data and waits for a person's eye; refused in private mode.
    """

    name: str
    domain: tuple[str, ...] | tuple[int, ...]
    nullable: bool = False
    guessed: bool = False

    def __post_init__(self) -> None:
        _raise_if_any(self._mistakes())

    def _mistakes(self) -> Iterator[Mistake]:
        kinds = {type(value) for value in self.domain}
        if not 1 <= len(self.domain) <= MAX_DOMAIN:
            yield Mistake(path="domain", problem=f"needs 1 to {MAX_DOMAIN} values")
        elif kinds not in ({str}, {int}):
            yield Mistake(path="domain", problem="values must be all texts or all integers")
        elif len(set(self.domain)) != len(self.domain):
            yield Mistake(path="domain", problem="values must differ")
        elif kinds == {str} and any(not _is_plain(str(value)) for value in self.domain):
            problem = f"values must be 1 to {MAX_TEXT} printable characters without blanks at the ends"
            yield Mistake(path="domain", problem=problem)
        elif kinds == {int} and any(abs(int(value)) > MAX_GRID for value in self.domain):
            yield Mistake(path="domain", problem="integers must be within 2^40")

    def to_dict(self) -> dict[str, object]:
        """Canonical form."""
        return {
            "type": "categorical",
            "domain": list(self.domain),
            "nullable": self.nullable,
            "guessed": self.guessed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BooleanColumn:
    """True or false.

    Attributes:
        name: the column's name.
        nullable: whether a missing value is a group of its own.
        guessed: the type came from data and waits for a person's eye; refused in private mode.
    """

    name: str
    nullable: bool = False
    guessed: bool = False

    def to_dict(self) -> dict[str, object]:
        """Canonical form."""
        return {"type": "boolean", "nullable": self.nullable, "guessed": self.guessed}


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifierColumn:
    """The privacy unit's column: it can be counted and nothing else.

    Attributes:
        name: the column's name.
    """

    name: str

    @property
    def guessed(self) -> bool:
        """Never: an identifier has no bounds to guess."""
        return False

    def to_dict(self) -> dict[str, object]:
        """Canonical form."""
        return {"type": "identifier"}


Column = NumericColumn | CategoricalColumn | BooleanColumn | IdentifierColumn


def _is_plain(text: str) -> bool:
    return 0 < len(text) <= MAX_TEXT and text.isprintable() and text == text.strip()


def _raise_if_any(mistakes: Iterator[Mistake]) -> None:
    found = tuple(mistakes)
    if found:
        raise SchemaError(mistakes=found)
