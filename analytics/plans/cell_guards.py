"""Cell guards: the conditions on shares under which an exact figure is opened.

Layer:       analytics.plans above block_layout.
Terms:       a *condition* is a count of privacy units that must reach the threshold; zero is a small count like any
             other.
Guarantees:  a figure opens where each of these counts reaches the threshold, in its group: the units of its non-NULL
             input; with a filter that cuts groups, those that the filter leaves out; behind a sum those above the
             lower bound and those below the upper one, which for two values are the units of each; behind squares the
             units of every value of up to seven, of more values those outside every window of the range and those
             strictly between its bounds; and those in which two figures of one answer differ, where one counts rows
             that the other does not.
See instead: squares of more than seven values can still bound how many people have one of them, for data that lie at
             few points; differences between several answers.
Source:      ours; PRIVACY "exact answers are narrow". With number, sum and squares of a column in hand, what is never
             negative and 0 at two neighbouring values, or at both bounds, is a sum over the few who have another
             value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.plans.block_layout import count_of
from analytics.sql.expressions import (
    Both,
    Choice,
    ColumnIndex,
    Compare,
    Condition,
    Either,
    Flag,
    Integer,
    Literal,
    Missing,
    Not,
    TruthValue,
    columns_in,
)
from analytics.statistics.blocks import BlockSpec, Measure, is_always_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.sql.query import BoundQuery

FEW_VALUES = 7
_MOST_PIECES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Conditions on shares for one opened figure; the numbers index the plan's figures.

    Attributes:
        figure: the figure that stays closed unless all conditions hold.
        at_least: the counts each of which must reach the threshold; the first is the units behind the figure.
    """

    figure: int
    at_least: tuple[int, ...]

    def to_dict(self) -> dict[str, object]:
        """Canonical form."""
        return {"figure": self.figure, "at_least": list(self.at_least)}


def add_guards(
    query: BoundQuery, opened: tuple[BlockSpec, ...]
) -> tuple[tuple[BlockSpec, ...], tuple[Guard, ...]]:
    """Add the blocks that the guards need, and return the guards of every figure.

    Args:
        query: the bound question.
        opened: the blocks to be opened.

    Returns:
        All blocks, the opened ones first and unchanged, and the guards of every figure.
    """
    blocks = list(opened)
    guards = []
    n_groups = query.n_groups
    for number, block in enumerate(opened):
        counts = [count_of(query, block.argument), *_extras(query, block, opened)]
        needed = [_block_number(blocks, count) for count in counts]
        guards += [
            Guard(
                figure=number * n_groups + group,
                at_least=tuple(place * n_groups + group for place in needed),
            )
            for group in range(n_groups)
        ]
    return tuple(blocks), tuple(guards)


def _block_number(blocks: list[BlockSpec], block: BlockSpec) -> int:
    if block not in blocks:
        blocks.append(block)
    return blocks.index(block)


def _extras(query: BoundQuery, block: BlockSpec, opened: Sequence[BlockSpec]) -> list[BlockSpec]:
    extras = []
    if _cuts_groups(query):
        extras.append(count_of(query, block.argument, outside=True))
    if block.argument is not None:
        telling = {Measure.SUM: _behind_sum, Measure.SQUARES: _behind_squares}.get(block.measure)
        extras += [count_of(query, only) for only in (telling(block.argument) if telling else ())]
    return extras + [count_of(query, only) for only in _apart(query, block, opened)]


def _cuts_groups(query: BoundQuery) -> bool:
    """Whether a group may have rows on both sides of the filter; a filter by its keys' public values takes whole groups."""
    if query.where is None:
        return False
    keys = {key.column.name for key in query.groups}
    return not columns_in(query.where) <= keys


def _apart(query: BoundQuery, block: BlockSpec, opened: Sequence[BlockSpec]) -> list[Integer]:
    """The rows that this figure counts and an earlier one does not, or the other way round.

    All rows come first, where anything counts them, then nullable columns in the order of the SELECT.
    """
    counted = dict.fromkeys(_counted(query, each) for each in opened)
    own = _counted(query, block)
    if own is None:
        return []
    before = sorted(counted, key=lambda argument: argument is not None)
    found: list[Integer] = []
    for other in before[: before.index(own)]:
        found.append(_only(_lacks(own, other)))
        if other is not None:
            found.append(_only(_lacks(other, own)))
    return found


def _counted(query: BoundQuery, block: BlockSpec) -> Integer | None:
    """What is known in the rows that a block counts; None where the schema says that these are all rows of the question."""
    argument = block.argument
    return None if argument is None or is_always_known(query.table, argument) else argument


def _lacks(missing: Integer, known: Integer | None) -> Condition:
    lacks = Missing(argument=missing)
    return lacks if known is None else Both(left=lacks, right=Not(condition=Missing(argument=known)))


def _behind_sum(argument: Integer) -> list[Integer]:
    """Who is above the lower bound and who below the upper one: a sum over many at a bound is that of the few others."""
    match argument:
        case TruthValue(condition=Flag() as flag):
            return [_only(flag), _only(Not(condition=flag))]
        case ColumnIndex(lower=lower, upper=upper) if lower < upper:
            return [_only(_compare(argument, ">", lower)), _only(_compare(argument, "<", upper))]
        case _:
            return []


def _behind_squares(argument: Integer) -> list[Integer]:
    match argument:
        case ColumnIndex(lower=lower, upper=upper) if 1 < upper - lower < FEW_VALUES:
            return [_only(_compare(argument, "=", value)) for value in range(lower, upper + 1)]
        case ColumnIndex(lower=lower, upper=upper) if upper - lower >= FEW_VALUES:
            inside = Both(left=_compare(argument, ">", lower), right=_compare(argument, "<", upper))
            return [_only(inside), *(_only(outside) for outside in _outside_windows(argument, lower, upper))]
        case _:
            return _behind_sum(argument)


def _outside_windows(argument: Integer, lower: int, upper: int) -> list[Condition]:
    """The range in pieces: for each two neighbouring ones, who has a value outside both."""
    width = -(-(upper - lower + 1) // _MOST_PIECES)
    return [
        Either(left=_compare(argument, "<", start), right=_compare(argument, ">", start + 2 * width - 1))
        for start in range(lower, upper + 1 - width, width)
    ]


def _compare(argument: Integer, operator: str, value: int) -> Condition:
    return Compare(operator=operator, left=argument, right=Literal(value=value))


def _only(condition: Condition) -> Choice:
    return Choice(branches=((condition, Literal(value=1)),), default=None)
