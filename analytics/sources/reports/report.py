"""The ingest report, for the site's administrator alone.

Layer:       analytics.sources beside spec.
Guarantees:  holds counts, so it never leaves the site; its ``repr`` holds none, so that a log line cannot leak one,
             and neither does a fault's text.
Source:      ours; docs/guarantees.md P19.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.sources.steps.step import StepReport

MOST_MISFITS: Final = Fraction(1, 2)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ColumnReport:
    """One column.

    Attributes:
        name: its name.
        rows: rows of the view.
        missing: rows without a value in the source.
        not_finite: NaN and infinities, now NULL.
        clipped: values outside the bounds, now at a bound.
        outside_domain: values outside the domain, now NULL.
    """

    name: str
    rows: int
    missing: int
    not_finite: int = 0
    clipped: int = 0
    outside_domain: int = 0

    def __repr__(self) -> str:
        return f"ColumnReport(name={self.name!r}, counts withheld)"

    def line(self) -> str:
        """What was found in one sentence, for the administrator's own screen; empty when nothing was."""
        found = [
            f"{count} {what}"
            for count, what in (
                (self.missing, "missing"),
                (self.not_finite, "not finite, now missing"),
                (self.clipped, "outside the bounds, clipped"),
                (self.outside_domain, "outside the domain, now missing"),
            )
            if count
        ]
        return f"column {self.name}: {', '.join(found)}" if found else ""

    def fault(self, most: Fraction = MOST_MISFITS) -> str:
        """What is wrong with the column as a whole, without a count; empty when nothing is.

        Args:
            most: the largest share of its values that may lie outside its domain or bounds, or be no numbers.
        """
        misfits = self.not_finite + self.clipped + self.outside_domain
        if misfits <= most * (self.rows - self.missing):
            return ""
        share = "half" if most == MOST_MISFITS else f"{float(most):g}"
        return (
            f"column {self.name}: more than {share} of its values are outside its domain or bounds, or no numbers; "
            "correct the site's view, or the schema"
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class IngestReport:
    """One table at one site.

    Attributes:
        source: the file's name.
        table: the table's name.
        rows_read: rows of the view.
        rows_without_unit: rows that belong to no unit and are left out: their identifier is missing, NaN or a word for it.
        rows_over_cap: rows left out because their unit has more than max_rows_per_unit.
        rows_kept: rows of the clean table.
        near_duplicates: units whose identifiers differ from another's by case, zeros, blanks or kinds of letters alone.
        exact_allowed: whether rows_kept is within rows_max; if not, no site that allows exact answers starts with it.
        columns: per column.
        steps: what each step of the site's mapping did; empty where there is none.
        link_duplicates: units whose identifiers are another unit's in the form for linkage; 0 where none is declared.
        pictures: what the pictures' files say of a person, in sentences without a value.
    """

    source: str
    table: str
    rows_read: int
    rows_without_unit: int
    rows_over_cap: int
    rows_kept: int
    near_duplicates: int
    exact_allowed: bool
    columns: tuple[ColumnReport, ...]
    steps: tuple[StepReport, ...] = ()
    link_duplicates: int = 0
    pictures: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"IngestReport(source={self.source!r}, table={self.table!r}, counts withheld)"

    def row_lines(self) -> Iterator[str]:
        """What became of the rows, in sentences; for the administrator's own screen."""
        yield f"{self.source}: {self.rows_read} rows read, {self.rows_kept} kept in table {self.table}"
        if self.rows_without_unit:
            yield f"{self.rows_without_unit} rows without a privacy unit left out"
        if self.rows_over_cap:
            yield f"{self.rows_over_cap} rows beyond max_rows_per_unit left out"
        if not self.exact_allowed:
            yield "more rows than rows_max: sums are clamped, and a site that allows exact answers does not start"
        if self.near_duplicates:
            yield f"{self.near_duplicates} identifiers differ from another one by spelling only"
        if self.link_duplicates:
            yield f"{self.link_duplicates} identifiers are not unique in the form for linkage: this table cannot be linked"

    def lines(self) -> Iterator[str]:
        """The report in sentences; for the administrator's own screen."""
        yield from self.row_lines()
        yield from self.pictures
        yield from filter(None, (column.line() for column in self.columns))

    def row_faults(self, most: Fraction = MOST_MISFITS) -> Iterator[str]:
        """What is wrong with the rows' units, without a count.

        Args:
            most: the largest share of the rows that may belong to no unit.
        """
        if self.rows_without_unit > most * self.rows_read:
            yield "most rows belong to no privacy unit and are left out; correct the site's view"
        if self.near_duplicates:
            yield (
                "some identifiers differ by case, zeros, blanks or kinds of letters alone: where they are one person's, "
                "make them equal in the site's view, or this person counts more than once"
            )

        if self.link_duplicates:
            yield (
                "some identifiers are equal in the form for linkage (link_form), so that one could be linked to two people: "
                "make them equal or different in the site's view; until then the table cannot be linked"
            )

    def faults(self, most: Fraction = MOST_MISFITS) -> Iterator[str]:
        """What is wrong with the rows' units and with whole columns, without a count."""
        yield from self.row_faults(most)
        yield from filter(None, (column.fault(most) for column in self.columns))
