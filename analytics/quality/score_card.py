"""The score card of one table at one site: all results, shares by dimension, and each column's cells.

Layer:       analytics.quality.score_card, above check.
Guarantees:  its ``repr`` and its errors hold no count; what prints it is for the site's administrator.
See instead: the page (``page``), the terminal (``federation.display``).
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.quality.check import Dimension, State
from analytics.text_tables import as_block

if TYPE_CHECKING:
    import pandas as pd

    from analytics.quality.check import CheckResult

_KINDS: Final = {"rows": "Int64", "violating": "Int64", "share": "Float64", "at_most": "Float64"}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ColumnCells:
    """The cells of one column.

    Attributes:
        name: of the column.
        valid: rows with a value in the declared domain or range.
        invalid: rows with another one.
        missing: rows without a value.
    """

    name: str
    valid: int
    invalid: int
    missing: int

    def __repr__(self) -> str:
        return f"ColumnCells({self.name!r}, counts withheld)"

    @property
    def completeness(self) -> float | None:
        """Share of the rows that have a value; None without rows."""
        rows = self.valid + self.invalid + self.missing
        return (self.valid + self.invalid) / rows if rows else None

    @property
    def validity(self) -> float | None:
        """Share of the values that are valid; None without values."""
        values = self.valid + self.invalid
        return self.valid / values if values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How many checks of a dimension passed.

    Attributes:
        passed: that passed.
        applicable: that passed or failed.
        errors: that could not be computed.
        not_applicable: that do not apply.
    """

    passed: int
    applicable: int
    errors: int
    not_applicable: int

    @property
    def share(self) -> float | None:
        """Of the applicable checks, those that passed; None without any."""
        return self.passed / self.applicable if self.applicable else None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ScoreCard:
    """All results of one table.

    Attributes:
        table: its name in the schema.
        source: where its rows are from.
        rows: of the view.
        results: of each check.
        columns: the cells of each readable column.
    """

    table: str
    source: str
    rows: int
    results: tuple[CheckResult, ...]
    columns: tuple[ColumnCells, ...]

    def __repr__(self) -> str:
        return f"ScoreCard(table={self.table!r}, source={self.source!r}, counts withheld)"

    def _repr_html_(self) -> str:
        return as_block(repr(self))  # a notebook's file would keep counts of this site's rows

    @property
    def is_good(self) -> bool:
        """Whether no check failed and none is an error."""
        return not any(each.state in {State.FAILED, State.ERROR} for each in self.results)

    def score(self, dimension: Dimension | None = None) -> Score:
        """How many checks of a dimension, or of all, passed."""
        states = [
            each.state for each in self.results if dimension is None or each.check.type.dimension is dimension
        ]
        return Score(
            passed=states.count(State.PASSED),
            applicable=states.count(State.PASSED) + states.count(State.FAILED),
            errors=states.count(State.ERROR),
            not_applicable=states.count(State.NOT_APPLICABLE),
        )

    def rows_of_frame(self) -> list[dict[str, object]]:
        """The rows of ``frame``."""
        return [
            {
                "column": each.check.column,
                "check": each.check.type.name,
                "context": each.check.type.context,
                "category": each.check.type.category,
                "subcategory": each.check.type.subcategory,
                "dimension": each.check.type.dimension.value,
                "what": each.check.what,
                "state": each.state.value,
                "rows": each.rows if each.share is not None else None,
                "violating": each.violating if each.share is not None else None,
                "share": each.share,
                "at_most": float(each.check.most) if each.share is not None else None,
                "reason": each.reason,
                "repair": each.repair,
            }
            for each in self.results
        ]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a check."""
        import pandas as pd

        rows = self.rows_of_frame()
        names = list(rows[0]) if rows else []
        return pd.DataFrame(
            {name: pd.Series([row[name] for row in rows], dtype=_KINDS.get(name, "string")) for name in names}
        )

    def to_dict(self) -> dict[str, object]:
        """Return plain data, ready for JSON."""
        scores = {each.value: self.score(each) for each in Dimension}
        return {
            "table": self.table,
            "source": self.source,
            "rows": self.rows,
            "is_good": self.is_good,
            "scores": {
                name: {"passed": each.passed, "applicable": each.applicable, "errors": each.errors}
                for name, each in scores.items()
            },
            "columns": [
                {"column": each.name, "completeness": each.completeness, "validity": each.validity}
                for each in self.columns
            ],
            "checks": self.rows_of_frame(),
        }
