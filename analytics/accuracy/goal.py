"""What accuracy is asked for: a distance, how sure, and what is known of the number of rows.

Layer:       analytics.accuracy, the lowest; pure.
Guarantees:  a goal that exists can be planned for: its numbers are finite and in range.
See instead: reading Python and command-line arguments (``federation.client.arguments``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from analytics.errors import InvalidRequestError
from analytics.statistics.aims import Aim

MOST_CONFIDENCE = Fraction(999_999_999, 1_000_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Each figure of an answer lies within a distance of what it would be without noise, so often.

    Attributes:
        within: the distance, in the units of the answer, above 0.
        confidence: how often at least, for each figure by itself; above 0 and below 1.
        n_rows: so many rows with a value stand behind each cell at least; None: unknown.
        stated: the confidence that was asked for, where a part of the doubt was spent on ``n_rows``.
    """

    within: Fraction
    confidence: Fraction
    n_rows: int | None = None
    stated: Fraction | None = None

    def __post_init__(self) -> None:
        if self.within <= 0:
            raise InvalidRequestError(parameter="within", reason="must be above 0")
        check_confidence(self.confidence)
        if self.n_rows is not None and self.n_rows < 1:
            raise InvalidRequestError(parameter="expected_units", reason="must be at least 1")

    @property
    def aim(self) -> Aim:
        """What an aggregate needs to know of it."""
        return Aim(within=self.within, n_rows=self.n_rows)


def check_confidence(confidence: Fraction) -> None:
    """Refuse a confidence out of range.

    Raises:
        InvalidRequestError: it is not above 0 and at most ``MOST_CONFIDENCE``.
    """
    if not 0 < confidence <= MOST_CONFIDENCE:
        reason = f"must be above 0 and at most {float(MOST_CONFIDENCE):.9f}, such as 0.95"
        raise InvalidRequestError(parameter="confidence", reason=reason)


def rounded_up(value: float, digits: int = 3) -> Fraction:
    """The next number of so many significant digits that is not below a value above 0."""
    exponent = math.floor(math.log10(value)) - digits + 1
    unit = Fraction(10) ** exponent
    return math.ceil(Fraction(value) / unit) * unit
