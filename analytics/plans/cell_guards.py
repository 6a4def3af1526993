"""Cell guards: the conditions on shares under which an exact figure is opened.

Layer:       analytics.plans above statistics.blocks.
Terms:       a *condition* is a count of privacy units that must reach the threshold; zero is a small count like any
             other.
Guarantees:  a figure opens where each of these counts reaches the threshold, in its group: the units of its non-NULL
             input; with a filter that cuts groups, those that the filter leaves out; behind a sum those above the
             lower bound and those below the upper one, which for two values are the units of each; behind squares the
             units of every value of up to seven, of more values those outside every window of the range and those
             strictly between its bounds; and those in which two figures of one answer differ, where one counts rows
             that the other does not. A sum of a column of two values is a count of those who have one of them, and
             what is left of a known total a count of the others: so of two such columns, or of one and a nullable one,
             those in whom they agree and those in whom they differ.
See instead: squares of more than seven values can still bound how many people have one of them, for data that lie at
             few points; differences between several answers.
Source:      ours; docs/guarantees.md P8. With number, sum and squares of a column in hand, what is never
             negative and 0 at two neighbouring values, or at both bounds, is a sum over the few who have another
             value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError
from analytics.sql.terms.expressions import (
    Both,
    Choice,
    ColumnIndex,
    Compare,
    Condition,
    Either,
    Flag,
    Integer,
    Is,
    Literal,
    Missing,
    Not,
    TruthValue,
    columns_in,
)
from analytics.statistics.blocks import BlockSpec, Measure, count_of, is_always_known
from analytics.statistics.guards.value_windows import has_few_values, windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.sql.query import BoundQuery

MAX_SCANNED = 2_000  # figures and counts; the local database plans a statement in the square of them


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

    Raises:
        InvalidRequestError: the guards need more counts than the local database plans in the time of an answer.
    """
    places = {block: number for number, block in enumerate(opened)}
    guards = []
    n_groups = query.n_groups
    for number, block in enumerate(opened):
        counts = [count_of(query.table, block.argument), *_extras(query, block, opened)]
        needed = [places.setdefault(count, len(places)) for count in counts]
        if len(places) > MAX_SCANNED:
            reason = f"needs more than {MAX_SCANNED} counts for its guards: ask for fewer columns at once"
            raise InvalidRequestError(parameter="question", reason=reason)
        guards += [
            Guard(
                figure=number * n_groups + group,
                at_least=tuple(place * n_groups + group for place in needed),
            )
            for group in range(n_groups)
        ]
    return tuple(places), tuple(guards)


def _extras(query: BoundQuery, block: BlockSpec, opened: Sequence[BlockSpec]) -> list[BlockSpec]:
    extras = []
    if _cuts_groups(query):
        extras.append(count_of(query.table, block.argument, outside=True))
    if block.argument is not None:
        telling = {Measure.SUM: _behind_sum, Measure.SQUARES: _behind_squares}.get(block.measure)
        extras += [count_of(query.table, only) for only in (telling(block.argument) if telling else ())]
    apart = [*_apart(query, block, opened), *_two_values_apart(query, block, opened)]
    return extras + [count_of(query.table, only) for only in apart]


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
            found.append(_only(_differ(Missing(argument=own), Not(condition=Missing(argument=other)))))
    return found


def _two_values_apart(query: BoundQuery, block: BlockSpec, opened: Sequence[BlockSpec]) -> list[Integer]:
    """In whom this figure and the sums of columns of two values agree, and in whom they differ.

    Where two such sums meet, the later one in the SELECT is guarded; where one meets the count of a nullable column,
    the latter.
    """
    summed = list(dict.fromkeys(each.argument for each in opened if _truths(each)))
    own: list[Condition] = []
    found: list[Integer] = []
    truths = _truths(block)
    if truths and block.argument is not None:
        own = [truths[0]] if is_always_known(query.table, block.argument) else list(truths)
        before = summed[: summed.index(block.argument)]
        found += _pairs(own, before)
    counted = _counted(query, block)
    if counted is not None:
        known = Not(condition=Missing(argument=counted))
        others = [argument for argument in summed if argument != counted]
        found += _pairs([known], others)
    return found


def _pairs(own: Sequence[Condition], others: Sequence[Integer | None]) -> list[Integer]:
    """Who is in one and not in both, for each set of a figure and each value of the other columns."""
    return [
        _only(_differ(first, second))
        for argument in others
        for second in _truths(BlockSpec(measure=Measure.SUM, argument=argument))
        for first in own
    ]


def _truths(block: BlockSpec) -> tuple[Condition, ...]:
    """Who has each of the two values of a sum's column; nothing for other figures. Never NULL."""
    if block.measure not in {Measure.SUM, Measure.SQUARES}:
        return ()
    match block.argument:
        case TruthValue(condition=Flag() as flag):
            return Is(condition=flag, value=True), Is(condition=flag, value=False)
        case ColumnIndex(lower=lower, upper=upper) as column if upper - lower == 1:
            return tuple(Is(condition=_compare(column, "=", value), value=True) for value in (upper, lower))
        case _:
            return ()


def _differ(first: Condition, second: Condition) -> Condition:
    """Exactly one of two conditions that are never NULL."""
    return Either(
        left=Both(left=first, right=Not(condition=second)),
        right=Both(left=Not(condition=first), right=second),
    )


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
        case ColumnIndex(lower=lower, upper=upper) if upper - lower > 1 and has_few_values(lower, upper):
            return [_only(_compare(argument, "=", value)) for value in range(lower, upper + 1)]
        case ColumnIndex(lower=lower, upper=upper) if not has_few_values(lower, upper):
            inside = Both(left=_compare(argument, ">", lower), right=_compare(argument, "<", upper))
            return [_only(inside), *(_only(outside) for outside in _outside_windows(argument, lower, upper))]
        case _:
            return _behind_sum(argument)


def _outside_windows(argument: Integer, lower: int, upper: int) -> list[Condition]:
    """The range in pieces: for each two neighbouring ones, who has a value outside both."""
    return [
        Either(left=_compare(argument, "<", first), right=_compare(argument, ">", last))
        for first, last in windows(lower, upper)
    ]


def _compare(argument: Integer, operator: str, value: int) -> Condition:
    return Compare(operator=operator, left=argument, right=Literal(value=value))


def _only(condition: Condition) -> Choice:
    return Choice(branches=((condition, Literal(value=1)),), default=None)
