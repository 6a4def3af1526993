"""Dates and times of a selection, in UTC.

Layer:       federation.audit, lowest.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Final

from analytics.errors import InvalidRequestError

DAY_S: Final = 86_400
LAST_YEAR: Final = 9998


def moment(given: str | date, *, name: str) -> int:
    """Return the first second of a day, or a time of it (seconds since 1970).

    Args:
        given: a date, or a date and a time; without a zone it is UTC.
        name: of the parameter, for the error.

    Raises:
        InvalidRequestError: it is neither.
    """
    return int(_read(given, name).timestamp())


def moment_after(given: str | date, *, name: str) -> int:
    """Return the first second after a day, or after a time of it; arguments as ``moment``."""
    is_day = len(given) == len("2026-11-30") if isinstance(given, str) else not isinstance(given, datetime)
    return moment(given, name=name) + (DAY_S if is_day else 1)


def _read(given: str | date, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) else given
        at = found if isinstance(found, datetime) else datetime.combine(found, time())
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        is_out_of_range = not 1 < at.year <= LAST_YEAR
    except (ValueError, TypeError) as error:
        reason = "must be a date such as 2026-11-30, or 2026-11-30T08:00 (UTC)"
        raise InvalidRequestError(parameter=name, reason=reason) from error
    if is_out_of_range:
        raise InvalidRequestError(parameter=name, reason=f"must lie in a year up to {LAST_YEAR}")
    return at
