"""Parameters of a training that only one model or one strategy knows.

Layer:       federation.training.options. Pure.
Terms:       an *option* is named in a task beside the task's own parameters, such as ``local_epochs = 2``.
Guarantees:  every mistake is reported with the option's name; an option that is left out has its default, so that
             two tasks with one meaning are one request.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from analytics.schema.numbers import exact_number
from privacy_accounting.decimals import format_decimal
from privacy_accounting.errors import InvalidCostError

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = int | Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option.

    Attributes:
        default: its value where the task names none.
        lowest: smallest value.
        highest: largest value.
        is_whole: whether it is a whole number; otherwise a number whose decimal expansion ends.
    """

    default: Value
    lowest: Value
    highest: Value
    is_whole: bool = True


def read_options(
    declared: Mapping[str, Option], given: Mapping[str, object]
) -> tuple[tuple[tuple[str, Value], ...], list[str]]:
    """Read the options of a task.

    Args:
        declared: of the task's model and strategy.
        given: as the task names them.

    Returns:
        Every declared option with its value, sorted by name, and every mistake.
    """
    mistakes = [
        f"{name}: is not a parameter of this model and this strategy"
        for name in given
        if name not in declared
    ]
    values: dict[str, Value] = {}
    for name, option in sorted(declared.items()):
        values[name] = option.default if option.is_whole else Fraction(option.default)
        try:
            if name in given:
                values[name] = _value(given[name], option)
        except ValueError as error:
            mistakes.append(f"{name}: {error}")
    return tuple(values.items()), mistakes


def written(value: Value) -> int | str:
    """Return an option's value as a request holds it: an integer, or a decimal string."""
    return value if isinstance(value, int) else format_decimal(value)


def _value(given: object, option: Option) -> Value:
    kind = "whole number" if option.is_whole else "number"
    limits = f"must be a {kind} from {written(option.lowest)} to {written(option.highest)}"
    if option.is_whole:
        if type(given) is not int or not option.lowest <= given <= option.highest:
            raise ValueError(limits)
        return given
    number = exact_number(given)
    if not option.lowest <= number <= option.highest:
        raise ValueError(limits)
    try:
        format_decimal(number)
    except InvalidCostError as error:
        msg = "must have a decimal expansion that ends"
        raise ValueError(msg) from error
    return number
