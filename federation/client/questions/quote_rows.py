"""Quotes as a list of plain rows that a notebook shows as a table.

Layer:       federation.client.questions.quote_rows, below quotes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from analytics.text_tables import as_html, as_text, cell_text

if TYPE_CHECKING:
    import pandas as pd

SHOWN: Final = ("sql", "asked_epsilon", "accuracy", "fits", "left")


class QuoteRows(list[dict[str, Any]]):
    """The rows of ``session.quote``: a list of dictionaries, shown as a table."""

    @property
    def frame(self) -> pd.DataFrame:
        """All fields as a frame."""
        import pandas as pd

        return pd.DataFrame(list(self))

    def __str__(self) -> str:
        """Question, price, accuracy, and what would be left."""
        return as_text(SHOWN, self._cells(), self._notes())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("QuoteRows(...)" if cycle else str(self))

    def _repr_html_(self) -> str:
        return as_html(SHOWN, self._cells(), self._notes())

    def _cells(self) -> list[list[object]]:
        return [[self._cell(row, name) for name in SHOWN] for row in self]

    @staticmethod
    def _cell(row: dict[str, Any], name: str) -> object:
        if name == "accuracy":
            found = [
                f"{key} within {cell_text(within)}" for key, within in row[name].items() if within is not None
            ]
            return ", ".join(found) or "nothing is promised"
        if name == "fits" and not row["fits"]:
            return f"no: {row['refusal']}"
        return row[name]

    def _notes(self) -> list[str]:
        return (
            [f"accuracy with confidence {self[0]['confidence']}; nothing is spent by a quote"] if self else []
        )
