"""The gaps in days that a request may name.

Layer:       analytics.statistics.sequences, the lowest.
Guarantees:  a gap comes from one public list, so that no constant of a request can be laid around one person's days: two
             requests whose windows differ by a day would count whoever has the days between.
Source:      ours; docs/guarantees.md P9. 14 and 56 days bound a recurrence of C. difficile.
"""

from __future__ import annotations

from typing import Final

from analytics.errors import InvalidRequestError

DAYS: Final = (1, 2, 3, 7, 14, 28, 30, 56, 60, 90, 180, 365, 730, 1826)


def check_window(name: str, days: int | None) -> None:
    """Refuse a gap that is not on the list.

    Args:
        name: of the argument.
        days: None for no limit.

    Raises:
        InvalidRequestError: it is not.
    """
    if days is not None and days not in DAYS:
        allowed = ", ".join(map(str, DAYS))
        reason = (
            f"must be one of {allowed} days, not {days}: a gap of one's own choosing could count one person"
        )
        raise InvalidRequestError(parameter=name, reason=reason)
