"""The interface of an SQL aggregate: one object says everything that is particular to it.

Layer:       analytics.statistics above blocks and estimates, below the aggregates themselves (moments).
Terms:       an aggregate's *parts* are its blocks, each under a name; ``shift`` is the centering of sums in private
             mode.
Guarantees:  the binder, the plan and the answer ask the object; a new aggregate is one file, one line of the registry
             and one test. Noise, sensitivities, clamps and overflow checks follow from its blocks.
See instead: statistics that are asked by name over a whole table (base), the list (registry).
Source:      ours.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from analytics.errors import InvalidRequestError
from analytics.sql.query import Form
from analytics.sql.terms.expressions import bounds
from analytics.statistics.blocks import BlockSpec, Measure, count_of
from analytics.statistics.uncertainty.bounded import Span, ends_of, number_of
from analytics.statistics.uncertainty.estimates import Estimate
from analytics.statistics.uncertainty.intervals import SumInterval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.schema import Table
    from analytics.sql.terms.expressions import Integer
    from analytics.statistics.aims import Aim
    from analytics.statistics.uncertainty.estimates import Parts
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from analytics.statistics.uncertainty.sampling import Sampled, Sampling

Range = tuple[Fraction | float, Fraction | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanColumn:
    """One column of the answer.

    Attributes:
        name: its name.
        key: which group key it repeats; None for an aggregate.
        aggregate: which aggregate; None for a group key.
        unit: what one integer step of the argument is worth.
        center: what was subtracted from the argument, in steps.
        offset: what was subtracted from each squared step.
        blocks: the blocks it is made from, by the aggregate's names of its parts.
    """

    name: str
    key: int | None = None
    aggregate: Aggregate | None = None
    unit: Fraction = Fraction(1)
    center: int = 0
    offset: int = 0
    blocks: tuple[tuple[str, int], ...] = ()

    @property
    def rows_block(self) -> int | None:
        """The block that counts the rows on which a promise about this column depends; None where it depends on none."""
        part = "" if self.aggregate is None else self.aggregate.promised_over
        return dict(self.blocks).get(part)

    def to_dict(self) -> dict[str, object]:
        """Canonical form."""
        return {
            "name": self.name,
            "key": self.key,
            "aggregate": None if self.aggregate is None else self.aggregate.name,
            "unit": str(self.unit),
            "center": self.center,
            "offset": self.offset,
            "blocks": [[part, number] for part, number in self.blocks],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """The centering of one argument's sums.

    Attributes:
        center: subtracted from the argument, in steps.
        offset: subtracted from each square.
    """

    center: int
    offset: int


def shift_of(argument: Integer) -> Shift:
    """How sums behind a private mean are centered: around the middle of the bounds, squares around 5/8 of their largest.

    At 5/8 the three moments of a row have the least joint norm (``analytics.plans.noise.noise_split``).
    """
    lower, upper = bounds(argument)
    center = (lower + upper) // 2
    return Shift(center=center, offset=5 * max(1, upper - center, center - lower) ** 2 // 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate(ABC):
    """One SQL aggregate.

    Attributes:
        name: in plans and digests.
        sql_names: what it is called in SQL, upper case.
        form: what stands in its brackets.
        is_whole: its value is an integer where the argument's unit and the weights are.
        is_centered: a private one profits from sums around the middle of the bounds.
        adds_values: it adds up values of a column; False: it counts.
        counts_units: it counts privacy units instead of rows.
        promised_over: the part that counts the rows on which its accuracy depends; empty where it depends on none.
    """

    name: str
    sql_names: tuple[str, ...]
    form: Form = Form.NUMBER
    is_whole: ClassVar[bool] = False
    is_centered: ClassVar[bool] = False
    adds_values: ClassVar[bool] = True
    counts_units: ClassVar[bool] = False
    promised_over: ClassVar[str] = ""

    @abstractmethod
    def blocks(
        self, argument: Integer | None, shift: Shift | None, table: Table
    ) -> tuple[tuple[str, BlockSpec], ...]:
        """The blocks that it is made from.

        Args:
            argument: what is aggregated; None for all rows.
            shift: how sums of this argument are centered; None: not at all.
            table: the table.

        Returns:
            Name and block of each part; equal blocks of several aggregates are contributed once.
        """

    @abstractmethod
    def estimate(self, column: PlanColumn, figures: Parts) -> Estimate:
        """One cell from its opened parts, without a public range.

        Args:
            column: unit, center and offset of the argument.
            figures: the opened parts by name.

        Returns:
            Value and standard error of the noise; NA where it is undefined.
        """

    @abstractmethod
    def public_range(self, column: PlanColumn, span: Span) -> Range:
        """The least and the largest value that it can have, whatever the rows are.

        Args:
            column: as for ``estimate``.
            span: what is public of its argument.

        Returns:
            Both ends, in the units of the answer.
        """

    def bounded(self, column: PlanColumn, figures: Parts, span: Span) -> Estimate:
        """One cell of a private answer: in its public range, flagged where that moved it, with its interval.

        Args:
            column: as for ``estimate``.
            figures: the opened parts by name, with noise.
            span: what is public of its argument.
        """
        raw = self.estimate(column, figures)
        ends, value = ends_of(self.public_range(column, span), number_of(raw.value))
        error = float(number_of(raw.standard_error))
        return Estimate(
            value=value,
            standard_error=error,
            is_too_few=value != raw.value,
            interval=SumInterval(ends=ends, error=error),
        )

    def miss(self, column: PlanColumn, noise: Mapping[str, NoiseLaw], span: Span, aim: Aim) -> float:
        """Bound how often noise moves a private cell by more than a distance, whatever the rows are.

        Args:
            column: as for ``estimate``.
            noise: of each part.
            span: what is public of its argument.
            aim: the distance, and what is stated of the rows.

        Returns:
            An upper bound of the probability.

        Raises:
            InvalidRequestError: nothing can be promised, or not without more of the rows than is stated.
        """
        del column, noise, span, aim
        name = self.sql_names[0]
        reason = (
            f"is for counts, sums and means: how far noise moves {name} depends on the values; give epsilon"
        )
        raise InvalidRequestError(parameter="within", reason=reason)

    def no_sampling(self, span: Span, *, has_spread: bool) -> str:
        """Say why a cell's sampling error does not follow from the answer; empty where it does.

        Args:
            span: what is public of its argument.
            has_spread: whether the answer has the spread of its argument, which comes with a variance or deviation.
        """
        del span, has_spread
        return f"is not defined for {self.sql_names[0]}"

    def sampling(self, span: Span, cell: Sampled) -> Sampling | None:
        """What sampling leaves open of one cell; None where the answer does not say enough.

        Args:
            span: what is public of its argument.
            cell: value, range, noise, and what the answer says of the rows behind it.
        """
        del span, cell
        return None

    def scale(self, column: PlanColumn, part: str) -> float:
        """What one step of a part is worth, for people who read a plan."""
        return float(column.unit ** _POWERS.get(part, 0))


_POWERS = {Measure.SUM.value: 1, Measure.SQUARES.value: 2}


def count_part(argument: Integer) -> tuple[str, BlockSpec]:
    """Rows in which the argument is known."""
    return Measure.COUNT.value, BlockSpec(measure=Measure.COUNT, argument=argument)


def sum_part(argument: Integer, shift: Shift | None) -> tuple[str, BlockSpec]:
    """The sum of the argument."""
    center = 0 if shift is None else shift.center
    return Measure.SUM.value, BlockSpec(measure=Measure.SUM, argument=argument, center=center)


def squares_part(argument: Integer, shift: Shift | None) -> tuple[str, BlockSpec]:
    """The sum of the argument's squares."""
    moved = Shift(center=0, offset=0) if shift is None else shift
    block = BlockSpec(measure=Measure.SQUARES, argument=argument, center=moved.center, offset=moved.offset)
    return Measure.SQUARES.value, block


def units_part(table: Table) -> tuple[str, BlockSpec]:
    """Privacy units of all rows."""
    return Measure.UNITS.value, count_of(table, None)


def rows_part() -> tuple[str, BlockSpec]:
    """All rows."""
    return Measure.ROWS.value, BlockSpec(measure=Measure.ROWS)


def needs_spread(aggregate: Aggregate) -> str:
    """Why a figure without the spread of its column has no sampling error, and what to ask."""
    name = aggregate.sql_names[0]
    return f"of {name} needs the spread of its column: ask STDDEV of the same column in the same question"
