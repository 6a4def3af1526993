"""Fields of a form, read strictly.

Layer:       federation.dashboard.form_fields, lowest. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError
from privacy_accounting.decimals import parse_decimal
from privacy_accounting.errors import InvalidCostError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction


class Fields:
    """The fields of one form, as a browser sent them; a missing one is empty."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Take names and values in their order."""
        self._pairs = list(pairs)

    def text(self, name: str, default: str = "") -> str:
        """Return the first value of a field, without blanks around it."""
        return next((value.strip() for key, value in self._pairs if key == name), default)

    def all(self, name: str) -> list[str]:
        """Return every value of a field, such as those of checkboxes."""
        return [value.strip() for key, value in self._pairs if key == name and value.strip()]

    def has(self, name: str) -> bool:
        """Whether a box is checked."""
        return any(key == name for key, _ in self._pairs)

    def decimal(self, name: str, label: str) -> Fraction | None:
        """Return a decimal above 0; None for an empty field.

        Args:
            name: of the field.
            label: as the page names it.

        Raises:
            InvalidRequestError: it is something else.
        """
        text = self.text(name)
        if not text:
            return None
        try:
            value = parse_decimal(text, what=label)
        except InvalidCostError as error:
            reason = f"must be a plain decimal such as 0.5, not {text[:40]!r}"
            raise InvalidRequestError(parameter=label, reason=reason) from error
        if value <= 0:
            raise InvalidRequestError(parameter=label, reason="must be above 0")
        return value

    def whole(self, name: str, label: str) -> int | None:
        """Return a whole number above 0; None for an empty field.

        Raises:
            InvalidRequestError: it is something else.
        """
        value = self.decimal(name, label)
        if value is None:
            return None
        if value.denominator != 1:
            raise InvalidRequestError(parameter=label, reason="must be a whole number")
        return int(value)
