"""What ingest found, for the site's administrator alone.

Floor:    analytics.sources beside spec.
Promise:  holds counts, so it never leaves the site; its ``repr`` holds none, so that a log line cannot leak
          one.
Source:   ours; PRIVACY "errors in three classes", the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ColumnReport:
    """One column.

    Attributes:
        name: its name.
        missing: rows without a value in the source.
        not_finite: NaN and infinities, now NULL.
        clipped: values outside the bounds, now at a bound.
        outside_domain: values outside the domain, now NULL.
    """

    name: str
    missing: int
    not_finite: int = 0
    clipped: int = 0
    outside_domain: int = 0

    def __repr__(self) -> str:
        return f"ColumnReport(name={self.name!r}, counts withheld)"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class IngestReport:
    """One table at one site.

    Attributes:
        source: the file's name.
        table: the table's name.
        rows_read: rows of the view.
        rows_without_unit: rows that say nobody's name and are left out.
        rows_over_cap: rows left out because their unit has more than max_rows_per_unit.
        rows_kept: rows of the clean table.
        exact_allowed: whether rows_kept is within rows_max; if not, no site that allows exact answers starts with it.
        columns: per column.
    """

    source: str
    table: str
    rows_read: int
    rows_without_unit: int
    rows_over_cap: int
    rows_kept: int
    exact_allowed: bool
    columns: tuple[ColumnReport, ...]

    def __repr__(self) -> str:
        return f"IngestReport(source={self.source!r}, table={self.table!r}, counts withheld)"

    def lines(self) -> Iterator[str]:
        """The report in sentences; for the administrator's own screen."""
        yield f"{self.source}: {self.rows_read} rows read, {self.rows_kept} kept in table {self.table}"
        if self.rows_without_unit:
            yield f"{self.rows_without_unit} rows without a privacy unit left out"
        if self.rows_over_cap:
            yield f"{self.rows_over_cap} rows beyond max_rows_per_unit left out"
        if not self.exact_allowed:
            yield "more rows than rows_max: sums are clamped, and a site that allows exact answers does not start"
        for column in self.columns:
            found = [
                f"{count} {what}"
                for count, what in (
                    (column.missing, "missing"),
                    (column.not_finite, "not finite, now missing"),
                    (column.clipped, "outside the bounds, clipped"),
                    (column.outside_domain, "outside the domain, now missing"),
                )
                if count
            ]
            if found:
                yield f"column {column.name}: {', '.join(found)}"
