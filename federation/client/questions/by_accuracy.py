"""Questions by accuracy: the epsilon that a stated accuracy needs, and the accuracy that an epsilon gives.

Layer:       federation.client.questions.by_accuracy, above kept_answers; below session. Asks no site but for a table's version.
Guarantees:  uses the schema, the agreement and already released noisy answers alone. Where the number of rows behind a
             mean comes from a released count, a tenth of the doubt is spent on that count's noise.
See instead: promises and the search (``analytics.accuracy``), the price (``Session.quote``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

from analytics.accuracy.goal import Goal, check_confidence
from analytics.accuracy.search import accuracy, cheapest_plan, figures_of, percent
from analytics.errors import InvalidRequestError
from analytics.plans.plan import make_plan
from analytics.plans.question import bind
from federation.client.arguments import epsilon_of, exact_number
from federation.requests.kinds.plan_context import context_of
from federation.requests.kinds.registry import query_kind
from privacy_accounting.decimals import format_decimal

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.plans.context import PlanContext
    from analytics.plans.noise.mechanisms import Mechanism
    from analytics.plans.plan import Plan
    from analytics.sql.query import BoundQuery
    from federation.client.kept.kept_answers import KeptAnswers
    from federation.consortium.consortium_file import Consortium

CONFIDENCE: Final = "0.95"
LARGEST: Final = Fraction(1000)  # no epsilon beyond it is looked at; what it buys is no privacy
FOR_THE_COUNT: Final = Fraction(1, 10)  # of the doubt, where the number of rows is a released count
MOST_UNITS: Final = 2**62
_GRID: Final = 1023  # what the budget pays for is found to a thousandth of what is needed
_DECIMALS: Final = 10**6


def goal_of(within: object, confidence: object, expected_units: object) -> Goal:
    """Read a stated accuracy.

    Raises:
        InvalidRequestError: a value is no finite number or out of range; texts are plain decimals, without a unit.
    """
    n_rows = units_of(expected_units)
    return Goal(within=exact_number("within", within), confidence=confidence_of(confidence), n_rows=n_rows)


def confidence_of(value: object) -> Fraction:
    """Read a confidence.

    Raises:
        InvalidRequestError: it is not a number above 0 and below 1.
    """
    confidence = exact_number("confidence", value)
    check_confidence(confidence)
    return confidence


def units_of(value: object) -> int | None:
    """Read a number of privacy units.

    Raises:
        InvalidRequestError: it is neither None nor a whole number of at least 1.
    """
    if value is None:
        return None
    number = exact_number("expected_units", value)
    if number.denominator != 1 or not 1 <= number <= MOST_UNITS:
        raise InvalidRequestError(parameter="expected_units", reason="must be a whole number of at least 1")
    return int(number)


def goal_if_any(
    epsilon: object, within: object, *, exact: bool, confidence: object, units: object
) -> Goal | None:
    """Read the accuracy that is asked for; None where an epsilon is given, or an exact answer.

    Raises:
        InvalidRequestError: it stands beside an epsilon or ``exact=True``, or its terms stand without it; further as
            ``goal_of``.
    """
    if within is not None and (epsilon is not None or exact):
        other = "epsilon" if epsilon is not None else "exact=True"
        raise InvalidRequestError(parameter="within", reason=f"stands in place of {other}, not beside it")
    if within is None:
        for name, value in (("confidence", confidence), ("expected_units", units)):
            if value is not None:
                raise InvalidRequestError(parameter=name, reason="has a meaning beside within alone")
        return None
    return goal_of(within, CONFIDENCE if confidence is None else confidence, units)


def cheapest_epsilon(
    text: str, goal: Goal, consortium: Consortium, kept: KeptAnswers, mechanism: Mechanism | None = None
) -> tuple[Fraction, Goal, Mechanism | None]:
    """Find the epsilon of the cheapest release that reaches a goal by itself.

    Args:
        text: the question.
        goal: what every figure of its answer must reach.
        consortium: the agreement among the present members.
        kept: the analyst's store, for released counts.
        mechanism: the noise; None is Gaussian noise, ``auto`` the one of the smaller charge.

    Returns:
        The epsilon; the goal that it was found for: this one, or one with rows from a released count in it; the noise that
        the request has to name.

    Raises:
        InvalidRequestError: nothing can be promised, or no epsilon up to ``LARGEST`` reaches it.
        PlanRejectedError: the question cannot be answered.
        ConfigError: the store was altered.
    """
    query, context = _bound(text, consortium, mechanism)
    full = _with_released_counts(query, context, goal, consortium, kept)
    found = cheapest_plan(query, context, full, most=LARGEST, mechanism=mechanism)
    if found.epsilon is None:
        raise InvalidRequestError(parameter="within", reason="is for private answers")
    return found.epsilon, full, found.mechanism


def accuracy_of(plan: Plan, *, confidence: Fraction, n_rows: int | None) -> dict[str, float | None]:
    """Return the distance that each figure of a release keeps with a confidence; None where nothing is promised.

    Raises:
        InvalidRequestError: the plan has no figure.
    """
    found: dict[str, float | None] = {}
    for place in figures_of(plan):
        name = plan.columns[place].name
        try:
            found[name] = float(accuracy(plan, place, confidence=confidence, n_rows=n_rows))
        except InvalidRequestError:
            found[name] = None
    return found


def epsilons_of(value: object) -> list[Fraction] | None:
    """Read several epsilons, which are alternatives; None where one is given or none.

    Raises:
        InvalidRequestError: the list is empty, or a value is not a finite number above 0.
    """
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return None
    if not value:
        raise InvalidRequestError(parameter="epsilon", reason="must be a number, or a list of some")
    return [epsilon_of(each) for each in value]


def promise(goal: Goal) -> dict[str, Any]:
    """Return a goal as a receipt shows it."""
    shown: dict[str, Any] = {
        "within": format_decimal(goal.within),
        "confidence": format_decimal(goal.stated or goal.confidence),
    }
    name = "expected_units" if goal.stated is None else "released_units"
    return shown if goal.n_rows is None else shown | {name: goal.n_rows}


def promise_text(goal: Goal) -> str:
    """Return a goal in words."""
    behind = "" if goal.n_rows is None else f", over at least {goal.n_rows} privacy units"
    return f"within {format_decimal(goal.within)} at {percent(goal.stated or goal.confidence)}{behind}"


def _bound(text: str, consortium: Consortium, mechanism: Mechanism | None) -> tuple[BoundQuery, PlanContext]:
    query = bind(text, consortium.schema)
    population, sub_budget = query.table.population, query_kind().sub_budget
    return query, context_of(consortium, population, sub_budget, is_exact=False, mechanism=mechanism)


def _with_released_counts(
    query: BoundQuery, context: PlanContext, goal: Goal, consortium: Consortium, kept: KeptAnswers
) -> Goal:
    """Take the number of rows from released counts, where it is needed and not stated."""
    plan = make_plan(query, mode="private", epsilon=Fraction(1), context=context)
    blocks = {
        plan.columns[place].rows_block
        for place in figures_of(plan)
        if plan.columns[place].rows_block is not None
    }
    if goal.n_rows is not None or not blocks:
        return goal
    doubt = 1 - goal.confidence
    width = NormalDist().inv_cdf(1 - float(doubt * FOR_THE_COUNT))
    found = [
        combined
        for number in blocks
        if number is not None and (combined := kept.block(plan, number, consortium))
    ]
    if len(found) < len(blocks):
        return goal  # the aggregate itself refuses, with the reason
    lowest = min(float(each.value) - every.reach(width) for every in found for each in every.figures)
    if lowest < 1:
        reason = f"must be given: by the released counts a group may have fewer than 1 ({lowest:.3g})"
        raise InvalidRequestError(parameter="expected_units", reason=reason)
    rest = 1 - doubt * (1 - FOR_THE_COUNT)
    return replace(goal, confidence=rest, n_rows=math.floor(lowest), stated=goal.confidence)


def check_payable(
    goal: Goal,
    epsilon: Fraction,
    plan_at: Callable[[Fraction], Plan],
    refusal: Callable[[Fraction], str],
) -> None:
    """Refuse a goal that the budget does not pay for, and name what it pays for.

    Args:
        goal: what was asked for.
        epsilon: what it needs.
        plan_at: plans the question at an epsilon.
        refusal: why the budget does not pay for an epsilon; empty where it does.

    Raises:
        InvalidRequestError: it does not.
    """
    reason = refusal(epsilon)
    if not reason:
        return
    low, high = 0, _GRID  # the budget pays for places up to low
    for _ in range(_GRID.bit_length()):
        middle = (low + high + 1) // 2
        low, high = (low, middle - 1) if refusal(_part(epsilon, middle)) else (middle, high)
    needs = f"{promise_text(goal).removeprefix('within ')} needs epsilon {format_decimal(epsilon)}"
    if low == 0:
        raise InvalidRequestError(
            parameter="within", reason=f"{needs}, and the budget pays for no answer: {reason}"
        )
    largest = _part(epsilon, low)
    reached = accuracy_of(plan_at(largest), confidence=goal.confidence, n_rows=goal.n_rows)
    found = ", ".join(f"{name} ± {'?' if value is None else f'{value:g}'}" for name, value in reached.items())
    rest = f"{needs}, which the budget does not pay for; epsilon {format_decimal(largest)}, which it pays for, gives {found}"
    raise InvalidRequestError(parameter="within", reason=rest)


def _part(epsilon: Fraction, place: int) -> Fraction:
    """A part of an epsilon, rounded down to six decimals; never 0."""
    return max(Fraction(math.floor(epsilon * place / _GRID * _DECIMALS), _DECIMALS), Fraction(1, _DECIMALS))
