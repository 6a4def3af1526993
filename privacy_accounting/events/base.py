"""The base class of events: a frozen, validated record of one use of one mechanism.

Guarantees:  an event that exists is valid; NaN, infinity, booleans, strings and zero noise cannot get in; equal
             events are equal values, so that prices can be cached by event.
See instead: the mechanisms (``additive``, ``guarantees``), their dictionaries (``codec``), their prices (``rdp``).
"""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, field, fields
from enum import StrEnum
from fractions import Fraction
from typing import Any, ClassVar, Final

from privacy_accounting.decimals import as_fraction
from privacy_accounting.errors import InvalidCostError

LARGEST_REAL: Final = Fraction(2**128)
SMALLEST_REAL: Final = Fraction(1, 2**128)
LARGEST_INTEGER: Final = 2**62
MAX_STEP_COUNTS: Final = 10_000
MAX_NESTING: Final = 4


class Relation(StrEnum):
    """Which two datasets count as neighbours; no default anywhere, since the meaning of epsilon hangs on it.

    Sensitivities and noise multipliers of additive noise are stated for ``ADD_OR_REMOVE_ONE``, where they are
    the norm of one privacy unit's contribution. Replacing a unit moves a sum by up to twice that norm, so the
    same event costs more under ``REPLACE_ONE``. ``REPLACE_SPECIAL`` replaces a unit by one that contributes
    zero, hence costs the same as ``ADD_OR_REMOVE_ONE`` for sums.
    """

    ADD_OR_REMOVE_ONE = "add_or_remove_one"
    REPLACE_ONE = "replace_one"
    REPLACE_SPECIAL = "replace_special"


def real(*, above: int | None = None, at_least: int | None = None, at_most: int | None = None) -> Any:
    """Declare an exact real parameter; ``above`` excludes the bound itself."""
    return field(metadata={"kind": "real", "above": above, "at_least": at_least, "at_most": at_most})


def integer(*, at_least: int, default: int | None = None) -> Any:
    """Declare an integer parameter in ``at_least .. 2**62``."""
    return field(
        default=MISSING if default is None else default, metadata={"kind": "integer", "at_least": at_least}
    )


def step_counts_field() -> Any:
    """Declare a tuple of positive integers; one integer is let in as a tuple of one."""
    return field(metadata={"kind": "step_counts"})


def shape_field() -> Any:
    """Declare a real parameter of at least 0 that may be infinite, which is written None."""
    return field(metadata={"kind": "shape", "at_least": 0})


def event_field() -> Any:
    """Declare an event inside an event."""
    return field(metadata={"kind": "event"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One mechanism, used ``count`` times (adaptively or not) on one population.

    Attributes:
        count: number of uses, at least 1.
    """

    mechanism: ClassVar[str] = ""

    count: int = integer(at_least=1, default=1)

    def __post_init__(self) -> None:
        """Normalise every parameter to int, Fraction, tuple or Event; refuse what is out of range.

        Raises:
            InvalidCostError: naming ``mechanism.parameter``.
        """
        for declared in fields(self):
            what = f"{self.mechanism}.{declared.name}"
            object.__setattr__(self, declared.name, checked(getattr(self, declared.name), declared, what))
        self._check_together()

    def _check_together(self) -> None:
        """Refuse parameters that contradict each other."""

    @property
    def nesting(self) -> int:
        """Depth of events inside events; 0 for a plain mechanism."""
        inner = getattr(self, "inner", None)
        return 0 if inner is None else 1 + int(inner.nesting)

    def _refuse(self, parameter: str, reason: str) -> InvalidCostError:
        return InvalidCostError(what=f"{self.mechanism}.{parameter}", reason=reason)


def checked(value: object, declared: Field[Any], what: str) -> object:
    """Return one parameter in its normal form.

    Raises:
        InvalidCostError: it is of another kind or out of range.
    """
    kind = declared.metadata["kind"]
    if kind == "real":
        return _checked_real(value, declared, what)
    if kind == "integer":
        return checked_integer(value, at_least=declared.metadata["at_least"], what=what)
    if kind == "step_counts":
        return _checked_step_counts(value, what)
    if kind == "shape":
        return None if value is None else _checked_real(value, declared, what)
    if not isinstance(value, Event):
        raise InvalidCostError(what=what, reason="must be an event")
    if value.nesting >= MAX_NESTING:
        raise InvalidCostError(what=what, reason=f"events are nested deeper than {MAX_NESTING}")
    return value


def _checked_real(value: object, declared: Field[Any], what: str) -> Fraction:
    number, limits = as_fraction(value, what=what), declared.metadata
    above, at_least, at_most = limits.get("above"), limits.get("at_least"), limits.get("at_most")
    if above is not None and not number > above:
        raise InvalidCostError(what=what, reason=f"must be above {above}")
    if at_least is not None and not number >= at_least:
        raise InvalidCostError(what=what, reason=f"must be at least {at_least}")
    if at_most is not None and not number <= at_most:
        raise InvalidCostError(what=what, reason=f"must be at most {at_most}")
    if number > LARGEST_REAL or 0 < number < SMALLEST_REAL:
        raise InvalidCostError(what=what, reason="must be 0 or between 2^-128 and 2^128")
    return number


def checked_integer(value: object, *, at_least: int, what: str) -> int:
    """Return ``value`` if it is an integer in ``at_least .. 2**62``; booleans are not."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidCostError(what=what, reason="must be an integer")
    if not at_least <= value <= LARGEST_INTEGER:
        raise InvalidCostError(what=what, reason=f"must be between {at_least} and 2^62")
    return value


def _checked_step_counts(value: object, what: str) -> tuple[int, ...]:
    counts = (value,) if isinstance(value, int) else value
    if not isinstance(counts, tuple | list) or not 1 <= len(counts) <= MAX_STEP_COUNTS:
        raise InvalidCostError(what=what, reason=f"must be 1 to {MAX_STEP_COUNTS} integers")
    return tuple(checked_integer(each, at_least=1, what=what) for each in counts)
