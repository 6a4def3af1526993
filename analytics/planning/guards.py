"""What must hold on shares before an exact figure is opened.

Floor:    analytics.planning above layout.
Terms:    ``at_least``: a count that must reach the threshold. ``zero_or_at_least``: counts each of which must
          be 0 or reach it.
Promise:  every opened figure has the units of its non-NULL input counted in its group; with a filter, the
          units that the filter leaves out; the units of every value of a column, where those follow from what
          is opened: of two values from a sum, of three from a sum and the squares; of more values the units above
          the lower bound and those below the upper one, since a sum over many at a bound is that of the few others.
Source:   ours; PRIVACY "exact answers are narrow".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.planning.figures import Figures, Measure
from analytics.planning.layout import count_of
from analytics.sql.expressions import (
    Choice,
    ColumnIndex,
    Compare,
    Condition,
    Flag,
    Integer,
    Literal,
    Not,
    TruthValue,
)

if TYPE_CHECKING:
    from analytics.sql.query import BoundQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Conditions on shares for one opened figure; the numbers index the plan's figures.

    Attributes:
        figure: the figure that stays closed unless all conditions hold.
        at_least: the count that must reach the threshold.
        zero_or_at_least: counts each of which must be 0 or reach it.
    """

    figure: int
    at_least: int
    zero_or_at_least: tuple[int, ...]

    def to_dict(self) -> dict[str, object]:
        """Canonical form."""
        return {
            "figure": self.figure,
            "at_least": self.at_least,
            "zero_or_at_least": list(self.zero_or_at_least),
        }


def add_guards(
    query: BoundQuery, opened: tuple[Figures, ...]
) -> tuple[tuple[Figures, ...], tuple[Guard, ...]]:
    """Add the blocks that guards need and say which guard holds for which figure.

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
        needed = _block_number(blocks, count_of(query, block.argument))
        also = [_block_number(blocks, extra) for extra in _extras(query, block)]
        guards += [
            Guard(
                figure=number * n_groups + group,
                at_least=needed * n_groups + group,
                zero_or_at_least=tuple(other * n_groups + group for other in also),
            )
            for group in range(n_groups)
        ]
    return tuple(blocks), tuple(guards)


def _block_number(blocks: list[Figures], block: Figures) -> int:
    if block not in blocks:
        blocks.append(block)
    return blocks.index(block)


def _extras(query: BoundQuery, block: Figures) -> list[Figures]:
    extras = []
    if query.where is not None:
        extras.append(count_of(query, block.argument, outside=True))
    if block.measure in {Measure.SUM, Measure.SQUARES} and block.argument is not None:
        most = 3 if block.measure is Measure.SQUARES else 2
        extras += [count_of(query, only) for only in _telling(block.argument, most)]
    return extras


def _telling(argument: Integer, most: int) -> list[Integer]:
    """For a column of two to so many values: for each of them an expression that is not NULL on it alone; else for each bound."""
    match argument:
        case TruthValue(condition=Flag() as flag):
            return [_only(flag), _only(Not(condition=flag))]
        case ColumnIndex(lower=lower, upper=upper) if 1 <= upper - lower < most:
            return [_only(_is(argument, value)) for value in range(upper, lower - 1, -1)]
        case ColumnIndex(lower=lower, upper=upper) if lower < upper:
            return [_only(Not(condition=_is(argument, bound))) for bound in (lower, upper)]
        case _:
            return []


def _is(argument: Integer, value: int) -> Condition:
    return Compare(operator="=", left=argument, right=Literal(value=value))


def _only(condition: Condition) -> Choice:
    return Choice(branches=((condition, Literal(value=1)),), default=None)
