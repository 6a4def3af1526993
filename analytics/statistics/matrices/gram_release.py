"""All sums of products of some columns, in one release with noise: for linear models, correlations and components.

Layer:       analytics.statistics above blocks and noise_law; below the statistics that are made from it.
Terms:       a row's *design* is 1, then of each column: a number around the middle of its bounds, 0 or 1 of a
             true-or-false column, 0 or 1 of each category but the first. Divided by its *reach*, its largest absolute
             value, each lies between -1 and 1: the *scaled* design. The *Gram* matrix holds the sums of all products
             of two of them, over the rows that lack none of the columns.
Guarantees:  each sum is opened once: squares of 0 and 1 are the sums themselves, and products of two categories of one
             column are 0. All sums are one release, calibrated by what one row can change in all of them together: of
             each column at most one part of the design is not 0, and half of the largest square is subtracted from
             each square. After the weights all sums have noise of one variance.
Visible to:  the analyst: the noisy sums.
See instead: the exact Gram matrix and its guards (gram_rows); what is made from this one (noisy_gram).
Source:      one Gaussian release of the sufficient statistics: Dwork et al. 2014 ("Analyze Gauss"), Wang 1803.02596.
             The squared norm of a row is convex in each squared entry while the others stay, hence largest where each
             is 0 or 1; with half of the largest square subtracted, both ends of a square count a quarter.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import CategoricalColumn, NumericColumn
from analytics.sql.query import BoundQuery, Clause, Use
from analytics.sql.terms.expressions import (
    ColumnIndex,
    Compare,
    Flag,
    Integer,
    Literal,
    Product,
    Sum,
    TruthValue,
)
from analytics.statistics.base import Answer, Statistic, Step
from analytics.statistics.blocks import BlockSpec, JointNorm, Measure, all_known
from analytics.statistics.counts import OPEN, OVER
from analytics.statistics.matrices.noisy_gram import NoisyGram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

MAX_TERMS: Final = 30
_FINEST: Final = (
    64  # the least weight: weights are whole numbers, and so lose at most this part of their precision
)
_RING_BITS: Final = 60
_NOISE_BITS: Final = (
    32  # noise of small epsilon is thousands of times the scale, and the sampler draws up to 2^40
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One part of the design.

    Attributes:
        name: for people.
        column: the place of its column.
        argument: the column, or whether it has one category.
        center: what is subtracted.
        reach: the largest absolute value after that.
        is_number: whether it takes more values than 0 and 1.
    """

    name: str
    column: int
    argument: Integer
    center: int
    reach: int
    is_number: bool

    @property
    def centered(self) -> Integer:
        """Its expression."""
        return Sum(left=self.argument, right=Literal(value=-self.center)) if self.center else self.argument


@dataclass(frozen=True, kw_only=True)
class GramRelease(Statistic[int]):
    """A private statistic of the Gram matrix of some columns.

    Attributes:
        modelled: the columns, in the order of the design.
    """

    modelled: tuple[GroupColumn, ...]

    def check_size(self, position: str) -> None:
        """Refuse what is too large for one answer; a subclass calls it where it is bound.

        Args:
            position: the argument that names the columns.
        """
        if len({column.name for column in self.modelled}) < len(self.modelled):
            raise InvalidRequestError(parameter=position, reason="must name different columns")
        if any(isinstance(column, CategoricalColumn) and len(column.domain) == 1 for column in self.modelled):
            raise PlanRejectedError(position=position, reason="a column has one category only")
        if len(self.design) + 1 > MAX_TERMS:
            raise InvalidRequestError(parameter=position, reason=f"must make at most {MAX_TERMS} parameters")

    @cached_property
    def design(self) -> tuple[Term, ...]:
        """The parts after the 1."""
        return tuple(term for place, column in enumerate(self.modelled) for term in _terms(place, column))

    @property
    def query(self) -> BoundQuery:
        """One group: the rows that lack none of the columns."""
        return BoundQuery(
            text=self.name,
            table=self.table,
            outputs=(),
            where=all_known([_value(column) for column in self.modelled]),
            groups=(),
            order=(),
            limit=None,
            uses=tuple(
                Use(column=column.name, clause=Clause.AGGREGATE, position="columns")
                for column in self.modelled
            ),
            exact_objections=(),
        )

    @cached_property
    def figures(self) -> tuple[BlockSpec, ...]:
        """Rows, sums, squares of numbers, then products of two parts of different columns."""
        found = [BlockSpec(measure=Measure.ROWS)]
        found += [
            BlockSpec(measure=Measure.SUM, argument=term.argument, center=term.center) for term in self.design
        ]
        found += [
            BlockSpec(
                measure=Measure.SQUARES, argument=term.argument, center=term.center, offset=_offset(term)
            )
            for term in self.design
            if term.is_number
        ]
        found += [
            BlockSpec(measure=Measure.SUM, argument=Product(left=one.centered, right=other.centered))
            for one, other in self._pairs
        ]
        return tuple(found)

    @cached_property
    def norm(self) -> JointNorm:
        """See ``Statistic``: of each column one part at most is not 0."""
        numbers = [term for term in self.design if term.is_number]
        reaches = [1, *(term.reach for term in self.design), *(term.reach**2 for term in numbers)]
        reaches += [one.reach * other.reach for one, other in self._pairs]
        scale = self._scale(max(reaches))
        weights = tuple(scale // reach for reach in reaches)
        changes = [(weight * block.bound) ** 2 for weight, block in zip(weights, self.figures, strict=True)]
        owners: list[tuple[int, ...]] = [(), *((term.column,) for term in self.design)]
        owners += [(term.column, term.column) for term in numbers]
        owners += [(one.column, other.column) for one, other in self._pairs]
        largest: dict[tuple[int, ...], int] = {}
        for owner, change in zip(owners, changes, strict=True):
            largest[owner] = max(largest.get(owner, 0), change)
        return JointNorm(weights=weights, square=sum(largest.values()))

    def _scale(self, largest: int) -> int:
        """What a weight is a part of: at least the largest reach, and finer where ring and noise leave space."""
        rows = self.limits.n_sites * self.limits.rows_max
        for finer in (_FINEST, 8, 2):
            scale = finer * largest
            if (rows * scale).bit_length() <= _RING_BITS and scale.bit_length() <= _NOISE_BITS:
                return scale
        return largest

    @property
    def _pairs(self) -> list[tuple[Term, Term]]:
        return [(one, other) for one, other in combinations(self.design, 2) if one.column != other.column]

    def start(self) -> int:
        """Before the opening."""
        return OPEN

    def step(self, state: int) -> Step | None:
        """The one step."""
        return None if state == OVER else self.every_step()[0]

    def advance(self, state: int, opened: Ints) -> int:
        """Over."""
        del state, opened
        return OVER

    def every_step(self) -> tuple[Step]:
        """One opening to the analyst."""
        step = Step(
            name="noisy sums of products",
            to="analyst",
            clamps=tuple(self.limits.rows_max * block.bound for block in self.figures),
            local=lambda figures: figures,
            joint=lambda _session, figures: figures,
            n_values=len(self.figures),
        )
        return (step,)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {"columns": [column.name for column in self.modelled]}

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> Answer:
        """See ``Statistic``."""
        (values,) = opened
        weights = np.array([law.weight for law in noise], dtype=np.float64)
        return self.answer(self.gram(values / weights, noise), values)

    def gram(self, sums: np.ndarray, noise: Sequence[NoiseLaw]) -> NoisyGram:
        """The noisy matrix of the scaled design, with its noise.

        Args:
            sums: the opened figures without their weights.
            noise: of each figure.
        """
        return NoisyGram(sums=sums, sds=np.array([law.sd for law in noise]), basis=self._basis())

    def _basis(self) -> np.ndarray:
        """How much of each sum enters each entry of the scaled matrix; shape ``(n_figures, m, m)``."""
        m = len(self.design) + 1
        found = np.zeros((len(self.figures), m, m))
        found[0, 0, 0] = 1.0
        place = m
        for row, term in enumerate(self.design, start=1):
            found[row, 0, row] = found[row, row, 0] = 1 / term.reach
            if term.is_number:
                found[place, row, row] = 1 / term.reach**2
                found[0, row, row] = _offset(term) / term.reach**2
                place += 1
            else:
                found[row, row, row] = 1.0
        rows = {id(term): row for row, term in enumerate(self.design, start=1)}
        for one, other in self._pairs:
            first, second = rows[id(one)], rows[id(other)]
            found[place, first, second] = found[place, second, first] = 1 / (one.reach * other.reach)
            place += 1
        return found

    @abstractmethod
    def answer(self, gram: NoisyGram, opened: Ints) -> Answer:
        """The answer from the noisy matrix; ``opened`` seeds its simulations."""


def _offset(term: Term) -> int:
    return term.reach**2 // 2


def _value(column: GroupColumn) -> Integer:
    """A column as an expression: of a number its steps, of a category its place."""
    if isinstance(column, NumericColumn):
        return ColumnIndex(name=column.name, lower=column.grid_lower, upper=column.grid_upper)
    if isinstance(column, CategoricalColumn):
        return ColumnIndex(name=column.name, lower=0, upper=len(column.domain) - 1)
    return TruthValue(condition=Flag(name=column.name))


def _terms(place: int, column: GroupColumn) -> list[Term]:
    value = _value(column)
    if isinstance(column, NumericColumn):
        low, high = column.grid_lower, column.grid_upper
        center = (low + high) // 2
        reach = max(1, high - center, center - low)
        number = Term(
            name=column.name, column=place, argument=value, center=center, reach=reach, is_number=True
        )
        return [number]
    if not isinstance(column, CategoricalColumn):
        return [_flag(column.name, place, value)]
    return [
        _flag(
            f"{column.name}={label}",
            place,
            TruthValue(condition=Compare(operator="=", left=value, right=Literal(value=code))),
        )
        for code, label in enumerate(column.domain)
        if code
    ]


def _flag(name: str, place: int, argument: Integer) -> Term:
    return Term(name=name, column=place, argument=argument, center=0, reach=1, is_number=False)
