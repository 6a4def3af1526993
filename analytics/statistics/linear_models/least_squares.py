"""Least squares from sums of products of columns, in exact integers: for ols and for the gaussian family.

Layer:       analytics.statistics.linear_models above gram_rows and integer_solve.
Guarantees:  the normal equations are solved without a lost digit. A design that is singular, no more rows than parameters, an
             outcome without any spread or without any residual give no fit.
Source:      Gauss 1809; elimination: integer_solve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from analytics.schema import NumericColumn
from analytics.statistics.matrices.gram_rows import GramRows, middle_of, terms_of
from analytics.statistics.matrices.integer_solve import inverse, solve_exactly, symmetric

_BITS: Final = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one column adds to a fit that has all others: a line of an analysis of covariance, of type II.

    Attributes:
        name: of the column.
        sum_sq: sum of squares that it explains beyond the others.
        df: its terms.
    """

    name: str
    sum_sq: float
    df: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastSquares:
    """A fit before anything is rounded for the answer.

    Attributes:
        params: of the terms, in the columns' own units.
        covariance: of the parameters.
        n: rows.
        ss_resid: sum of squared residuals, in the outcome's unit.
        ss_total: around the outcome's mean.
        effects: of each column.
    """

    params: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    n: int
    ss_resid: float
    ss_total: float
    effects: tuple[Effect, ...] = ()

    @property
    def bse(self) -> tuple[float, ...]:
        """Standard errors of the parameters."""
        return tuple(math.sqrt(row[place]) for place, row in enumerate(self.covariance))


@dataclass(frozen=True, kw_only=True)
class LeastSquaresFit(GramRows):
    """A statistic of a fit; of ``modelled`` the outcome is the last."""

    def fitted(self, gram: tuple[int, ...]) -> LeastSquares | None:
        """The fit from the upper half of the Gram matrix; None where it is closed."""
        matrix = symmetric(gram, self.n_parameters)
        count, n = self.n_parameters - 1, matrix[0][0]
        if n <= count:
            return None
        half = tuple(matrix[row][column] for row in range(count) for column in range(row, count))
        products, squares = [row[-1] for row in matrix[:-1]], matrix[-1][-1]
        solution = solve_exactly(half, products, _BITS)
        total = n * squares - products[0] ** 2
        if solution is None or total == 0:
            return None
        point = [Fraction(value, 1 << _BITS) for value in solution]
        resid = squares - sum(value * product for value, product in zip(point, products, strict=True))
        if resid * n <= total * Fraction(1, 1 << 80):
            return None
        covariance = [[Fraction(value, 1 << _BITS) for value in row] for row in inverse(half, count, _BITS)]
        units = self.units()
        outcome = self.modelled[-1]
        unit = outcome.resolution if isinstance(outcome, NumericColumn) else Fraction(1)
        variance = resid / (n - count)
        own = [
            sum((part * value for part, value in zip(row, point, strict=True)), Fraction(0)) for row in units
        ]
        own[0] += middle_of(outcome)
        form = [[float(unit**2 * variance * _form(a, covariance, b)) for b in units] for a in units]
        return LeastSquares(
            params=tuple(float(unit * value) for value in own),
            covariance=tuple(map(tuple, form)),
            n=n,
            ss_resid=float(unit**2 * resid),
            ss_total=float(unit**2 * Fraction(total, n)),
            effects=tuple(
                Effect(name=name, sum_sq=float(unit**2 * (left - resid)), df=df)
                for name, left, df in self._without_each(matrix)
                if left is not None
            ),
        )

    def _without_each(self, matrix: list[list[int]]) -> list[tuple[str, Fraction | None, int]]:
        """Of each column the squares that a fit of all others leaves, and its terms."""
        found, start = [], 1
        for column in self.modelled[:-1]:
            df = len(terms_of(column))
            kept = [place for place in range(self.n_parameters - 1) if not start <= place < start + df]
            found.append((column.name, _left(matrix, kept), df))
            start += df
        return found

    def inflation(self, gram: tuple[int, ...]) -> tuple[float, ...]:
        """Variance inflation factors, from the upper half of a Gram matrix that was fitted."""
        matrix = symmetric(gram, self.n_parameters)
        count, n = self.n_parameters - 1, matrix[0][0]
        half = tuple(matrix[row][column] for row in range(count) for column in range(row, count))
        found = inverse(half, count, _BITS)
        spread = [matrix[place][place] - Fraction(matrix[0][place] ** 2, n) for place in range(count)]
        return tuple(
            float(spread[place] * Fraction(found[place][place], 1 << _BITS)) for place in range(1, count)
        )

    def units(self) -> list[list[Fraction]]:
        """From parameters of the design to those of the columns' own units; the outcome in steps around its middle."""
        count = self.n_parameters - 1
        found = [[Fraction(int(row == column)) for column in range(count)] for row in range(count)]
        place = 1
        for column in self.modelled[:-1]:
            if isinstance(column, NumericColumn):
                found[place][place] = 1 / column.resolution
                found[0][place] = Fraction(-middle_of(column))
            place += len(terms_of(column))
        return found


def _form(row: list[Fraction], matrix: list[list[Fraction]], other: list[Fraction]) -> Fraction:
    """``row @ matrix @ other``."""
    first = [place for place, value in enumerate(row) if value]
    second = [place for place, value in enumerate(other) if value]
    return sum((row[i] * other[j] * matrix[i][j] for i in first for j in second), Fraction(0))


def _left(matrix: list[list[int]], kept: list[int]) -> Fraction | None:
    """The squares that a fit of some columns of the design leaves; None where they follow from each other."""
    half = tuple(matrix[kept[i]][kept[j]] for i in range(len(kept)) for j in range(i, len(kept)))
    products = [matrix[place][-1] for place in kept]
    solution = solve_exactly(half, products, _BITS)
    if solution is None:
        return None
    explained = sum(value * product for value, product in zip(solution, products, strict=True))
    return matrix[-1][-1] - Fraction(explained, 1 << _BITS)
