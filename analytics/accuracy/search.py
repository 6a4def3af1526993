"""The cheapest release that reaches an accuracy, and the accuracy that an epsilon gives.

Layer:       analytics.accuracy above goal; above plans. Pure: schema, agreement and noise laws alone, no answer's value.
Terms:       epsilons are looked for among the numbers of four significant digits.
Guarantees:  the plan that is returned keeps its promise by the bounds of ``analytics.statistics.uncertainty.noise_tails``; the
             next
             smaller epsilon of the grid does not. Noise that falls with epsilon is all that is taken from calibration.
See instead: what each aggregate promises (``miss`` in ``analytics.statistics``).
Source:      bisection; ours.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from analytics.accuracy.goal import Goal, rounded_up
from analytics.errors import InvalidRequestError, OverflowRiskError
from analytics.plans.noise.mechanisms import is_cheaper
from analytics.plans.plan import Plan, PlanContext, make_plan
from analytics.results.assemble import is_shown_whole, span_of
from analytics.statistics.aims import Aim
from privacy_accounting.decimals import format_decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from analytics.plans.noise.mechanisms import Mechanism
    from analytics.sql.query import BoundQuery
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

LEAST: Final = Fraction(1, 10**6)
_STEPS: Final = 9_000  # numbers of four significant digits in each power of ten
_FIRST: Final = 1_000
_DOUBLINGS: Final = 120
_BISECTIONS: Final = 40


def cheapest_plan(
    query: BoundQuery,
    context: PlanContext,
    goal: Goal,
    *,
    most: Fraction,
    mechanism: Mechanism | None = None,
) -> Plan:
    """Find the release of the smallest epsilon that reaches a goal.

    Cost: none is spent here; about 20 calibrations.

    Args:
        query: the bound question.
        context: the consortium's parameters.
        goal: what every figure of the answer must reach.
        most: the largest epsilon to look at.
        mechanism: the noise, ``gaussian`` or ``laplace``; None is Gaussian noise. ``auto`` looks for both and takes the one
            of the smaller charge; Laplace noise only as ``analytics.plans.noise.mechanisms`` takes it where it is not named.

    Returns:
        The plan of that release; its ``mechanism`` is what a request for it has to name.

    Raises:
        InvalidRequestError: the question has a figure without a promise, or ``most`` does not reach the goal; then the
            accuracy that it reaches is named.
        PlanRejectedError: the question cannot be answered.
    """
    if mechanism == "auto":
        return _cheaper_plan(query, context, goal, most)

    def planned(place: int) -> Plan:
        epsilon = _epsilon(place)
        return make_plan(query, mode="private", epsilon=epsilon, context=context, mechanism=mechanism)

    def reached(place: int) -> Plan | None:
        plan = _drawn(lambda: planned(place))
        return plan if plan is not None and reaches(plan, goal) else None

    low, high = _place(LEAST), _place(most)
    best = reached(high)
    if best is None:
        raise _out_of_reach(planned(high), goal)
    while low < high:
        middle = (low + high) // 2
        found = reached(middle)
        if found is None:
            low = middle + 1
        else:
            best, high = found, middle
    return best


def _cheaper_plan(query: BoundQuery, context: PlanContext, goal: Goal, most: Fraction) -> Plan:
    """Of the cheapest Gaussian and the cheapest Laplace release the one of the smaller charge."""
    gaussian = cheapest_plan(query, context, goal, most=most, mechanism="gaussian")
    try:
        laplace = cheapest_plan(query, context, goal, most=most, mechanism="laplace")
    except InvalidRequestError:
        return gaussian  # its noise cannot be drawn, or does not reach the goal
    return laplace if is_cheaper(laplace.cost, gaussian.cost, context) else gaussian


def _drawn(plan: Callable[[], Plan]) -> Plan | None:
    """Plan; None for so much noise that its sampler cannot draw it."""
    try:
        return plan()
    except OverflowRiskError:
        return None
    except InvalidRequestError as error:
        if error.parameter != "mechanism":
            raise
        return None


def reaches(plan: Plan, goal: Goal) -> bool:
    """Whether every figure of a private plan's answer keeps the promise."""
    doubt = float(1 - goal.confidence)
    return all(_miss(plan, place, goal.aim) <= doubt for place in figures_of(plan))


def figures_of(plan: Plan) -> tuple[int, ...]:
    """The columns that carry noise; the others are group keys.

    Raises:
        InvalidRequestError: there is none.
    """
    found = tuple(place for place, column in enumerate(plan.columns) if column.aggregate is not None)
    if not found:
        raise InvalidRequestError(
            parameter="within", reason="needs a figure: the question asks for groups alone"
        )
    return found


def accuracy(plan: Plan, place: int, *, confidence: Fraction, n_rows: int | None = None) -> Fraction:
    """The least distance that a column's figures keep with a confidence, rounded up to three digits.

    Args:
        plan: a private plan.
        place: the column, one of ``figures_of``.
        confidence: as in a goal.
        n_rows: as in a goal.

    Returns:
        The distance; 0 where a whole figure is so little noisy that it is shown as it is.

    Raises:
        InvalidRequestError: the column has no promise, or needs ``n_rows``.
    """
    doubt = float(1 - confidence)

    def keeps(within: Fraction) -> bool:
        return _miss(plan, place, Aim(within=within, n_rows=n_rows)) <= doubt

    if is_shown_whole(plan, place) and keeps(Fraction(1, 2)):
        return Fraction(0)  # rounding takes the noise away
    low, high = map(rounded_up, _around_least(lambda within: keeps(Fraction(within))))
    return low if keeps(low) else high


def _around_least(keeps: Callable[[float], bool]) -> tuple[float, float]:
    """The least number above 0 that a rising condition holds for, from below and from above."""
    high = 2.0**-40
    for _ in range(_DOUBLINGS):
        if keeps(high):
            break
        high *= 2
    low = high / 2
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if keeps(middle) else (middle, high)
    return low, high


def _miss(plan: Plan, place: int, aim: Aim) -> float:
    column = plan.columns[place]
    noise = {part: plan.noise_law(number) for part, number in column.blocks}
    aggregate = column.aggregate
    if aggregate is None:
        return 0.0
    if is_shown_whole(plan, place):
        aim = replace(aim, within=_before_rounding(aim.within, noise.values()))
    return aggregate.miss(column, noise, span_of(plan, place), aim)


def _before_rounding(within: Fraction, laws: Iterable[NoiseLaw]) -> Fraction:
    """How far noise may move a whole figure that is then rounded: less than half a step beyond the last whole distance.

    A figure halfway between two whole numbers may be rounded to either, and counts as a miss.
    """
    finest = math.lcm(*(law.weight for law in laws))
    return math.floor(within) + Fraction(1, 2) - Fraction(1, 4 * finest)


def _out_of_reach(plan: Plan, goal: Goal) -> InvalidRequestError:
    found = [
        accuracy(plan, place, confidence=goal.confidence, n_rows=goal.n_rows) for place in figures_of(plan)
    ]
    epsilon = "" if plan.epsilon is None else format_decimal(plan.epsilon)
    reason = (
        f"{format_decimal(goal.within)} is not reached: at {percent(goal.confidence)} epsilon {epsilon}, the largest "
        f"that is tried, gives {described(plan, found)}"
    )
    return InvalidRequestError(parameter="within", reason=reason)


def described(plan: Plan, found: Sequence[Fraction | None]) -> str:
    """The accuracy of every figure in words."""
    names = [plan.columns[place].name for place in figures_of(plan)]
    pairs = zip(names, found, strict=True)
    return ", ".join(f"{name} ± {'?' if each is None else f'{float(each):g}'}" for name, each in pairs)


def percent(confidence: Fraction) -> str:
    """A confidence in percent."""
    return f"{float(100 * confidence):.10g} %"


def _epsilon(place: int) -> Fraction:
    power, step = divmod(place, _STEPS)
    return (_FIRST + step) * Fraction(10) ** power


def _place(epsilon: Fraction) -> int:
    """The place of the largest epsilon of the grid that is not above this one."""
    power = 0
    while (_FIRST + _STEPS) * Fraction(10) ** power <= epsilon:
        power += 1
    while _FIRST * Fraction(10) ** power > epsilon:
        power -= 1
    return power * _STEPS + int(epsilon / Fraction(10) ** power) - _FIRST
