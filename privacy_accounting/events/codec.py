"""Events as dictionaries: the ledger's and the calculator's vocabulary.

Guarantees:  ``event_from_dict(event_to_dict(e)) == e``; one event has one dictionary; unknown mechanisms, unknown and
             missing keys and JSON floats are refused, naming the place. No name found in data is imported.
See instead: byte encoding (``ledger``), the calculator (``audit.price``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

from privacy_accounting.decimals import format_decimal, parse_decimal
from privacy_accounting.errors import InvalidCostError
from privacy_accounting.events import additive, guarantees
from privacy_accounting.events.base import MAX_NESTING, MAX_STEP_COUNTS, Event, checked

_CLASSES: Final[tuple[type[Event], ...]] = (
    additive.Gaussian,
    additive.Laplace,
    additive.DiscreteLaplace,
    additive.DiscreteGaussian,
    additive.DistributedDiscreteGaussian,
    additive.DistributedDiscreteLaplace,
    additive.Skellam,
    additive.Tree,
    guarantees.ZCDP,
    guarantees.Pure,
    guarantees.RandomizedResponse,
    guarantees.Exponential,
    guarantees.TopK,
    guarantees.PoissonGaussian,
    guarantees.Poisson,
    guarantees.WithoutReplacementGaussian,
    guarantees.RepeatAndSelect,
    guarantees.Threshold,
)
MECHANISMS: Final[Mapping[str, type[Event]]] = MappingProxyType({cls.mechanism: cls for cls in _CLASSES})
INFINITE_SHAPE: Final = "infinity"
_SHOWN: Final = 40


def event_to_dict(event: Event) -> dict[str, object]:
    """Write an event: ``mechanism``, every parameter, ``count``.

    Args:
        event: any event of the vocabulary.

    Returns:
        Real parameters as decimal strings, integers as ints, ``step_counts`` as a list of ints, ``inner`` as
        a dictionary of the same kind.

    Raises:
        InvalidCostError: a parameter such as 1/3 has no finite decimal expansion.
    """
    written: dict[str, object] = {"mechanism": event.mechanism}
    names = [declared.name for declared in fields(event) if declared.name != "count"]
    for name in (*names, "count"):
        written[name] = _written(getattr(event, name), f"{event.mechanism}.{name}")
    return written


def event_from_dict(mapping: Mapping[str, object], *, where: str = "event") -> Event:
    """Read an event.

    Args:
        mapping: as written by ``event_to_dict``; ``count`` may be left out (1); integers may be decimal
            strings.
        where: position for error messages, for example ``events[3]``.

    Returns:
        The validated event.

    Raises:
        InvalidCostError: the first thing that is wrong, naming its position.
    """
    found: list[InvalidCostError] = []
    event = _read(mapping, where, 0, found)
    if event is None:
        raise found[0]
    return event


def event_or_mistakes(
    mapping: object, *, where: str = "event"
) -> tuple[Event | None, list[InvalidCostError]]:
    """Read an event, or list everything that is wrong with it.

    Args:
        mapping: as for ``event_from_dict``.
        where: position for error messages.

    Returns:
        The event and no mistakes, or None and at least one.
    """
    found: list[InvalidCostError] = []
    return _read(mapping, where, 0, found), found


def _read(mapping: object, where: str, depth: int, found: list[InvalidCostError]) -> Event | None:
    """Read one event; append what is wrong, None if anything is."""
    before = len(found)
    cls = _class_of(mapping, where, depth, found)
    if cls is None or not isinstance(mapping, Mapping):
        return None
    declared = {each.name: each for each in fields(cls)}
    for key in mapping:
        if key != "mechanism" and key not in declared:
            shown = str(key)[:_SHOWN]
            found.append(
                InvalidCostError(what=f"{where}.{shown}", reason=f"is not a parameter of {cls.mechanism}")
            )
    given: dict[str, Any] = {}
    for key, each in declared.items():
        if key in mapping:
            given[key] = _field(mapping[key], each, f"{where}.{key}", depth, found)
        elif each.default is MISSING:
            found.append(InvalidCostError(what=f"{where}.{key}", reason=f"is missing ({cls.mechanism})"))
    if len(found) > before:
        return None
    try:
        return cls(**given)
    except InvalidCostError as error:
        found.append(InvalidCostError(what=f"{where}: {error.what}", reason=error.reason))
        return None


def _class_of(mapping: object, where: str, depth: int, found: list[InvalidCostError]) -> type[Event] | None:
    if not isinstance(mapping, Mapping):
        found.append(InvalidCostError(what=where, reason="must be an object with a 'mechanism'"))
        return None
    if depth > MAX_NESTING:
        found.append(InvalidCostError(what=where, reason=f"events are nested deeper than {MAX_NESTING}"))
        return None
    name = mapping.get("mechanism")
    cls = MECHANISMS.get(name) if isinstance(name, str) else None
    if cls is None:
        known = ", ".join(MECHANISMS)
        found.append(InvalidCostError(what=f"{where}.mechanism", reason=f"must be one of {known}"))
    return cls


def _field(
    value: object, declared: Field[Any], where: str, depth: int, found: list[InvalidCostError]
) -> object:
    """Parse and check one parameter; None where a mistake was appended."""
    if declared.metadata["kind"] == "event":
        return _read(value, where, depth + 1, found)
    try:
        return checked(_parsed(value, declared, where), declared, where)
    except InvalidCostError as error:
        found.append(error)
        return None


def _parsed(value: object, declared: Field[Any], where: str) -> object:
    kind = declared.metadata["kind"]
    if kind == "integer":
        return _integer(value, where)
    if kind == "step_counts":
        return _step_counts(value, where)
    if kind == "shape" and isinstance(value, str) and value in {INFINITE_SHAPE, "inf"}:
        return None
    if not isinstance(value, str):
        raise InvalidCostError(what=where, reason=f"must be a decimal string, not {type(value).__name__}")
    return parse_decimal(value, what=where)


def _integer(value: object, where: str) -> int:
    if isinstance(value, str):
        number = parse_decimal(value, what=where)
        if number.denominator != 1 or "." in value:
            raise InvalidCostError(what=where, reason="must be an integer")
        return number.numerator
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidCostError(what=where, reason=f"must be an integer, not {type(value).__name__}")
    return value


def _step_counts(value: object, where: str) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        return (_integer(value, where),)
    if len(value) > MAX_STEP_COUNTS:
        raise InvalidCostError(what=where, reason=f"must be 1 to {MAX_STEP_COUNTS} integers")
    return tuple(_integer(each, f"{where}[{position}]") for position, each in enumerate(value))


def _written(value: object, what: str) -> object:
    if isinstance(value, Event):
        return event_to_dict(value)
    if isinstance(value, Fraction):
        try:
            return format_decimal(value)
        except InvalidCostError as error:
            raise InvalidCostError(what=what, reason=error.reason) from error
    if isinstance(value, tuple):
        return list(value)
    return INFINITE_SHAPE if value is None else value
