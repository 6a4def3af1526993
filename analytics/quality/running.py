"""Runs the checks of a site's tables: one statement for the rows of each, one for its identifiers.

Layer:       analytics.quality.running, above deriving.
Guarantees:  all checks of rows are aggregates of one SELECT, in the site's own shut database, or in the server where
             the table stays. A check that cannot be computed is an error of its own and leaves the others; a source that
             cannot be read is one failed check with the reason.
Visible to:  the site's administrator alone.
Source:      ours; docs/guarantees.md P19.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.quality import repairs
from analytics.quality.check import CHECK_TYPES, Check, CheckResult, State, judged, unjudged
from analytics.quality.deriving import (
    decimal_sign,
    derive_checks,
    identifier_checks,
    is_isolated,
    isolation,
)
from analytics.quality.prepared_rows import OTHER_SIGN, UNIT, prepare_rows, staged
from analytics.quality.score_card import ColumnCells, ScoreCard
from analytics.quality.server_rows import near_in_server, prepare_server_rows, why_read
from analytics.schema import NumericColumn
from analytics.sources.inspection import inspected
from analytics.sources.pushed.inspection import inspected_in_server
from analytics.sources.spec import CellRules, SourceSpec
from analytics.sources.units import near_duplicates

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    from analytics.quality.prepared_rows import PreparedRows
    from analytics.quality.thresholds import TableRules, Thresholds
    from analytics.schema import Table

    Ask = Callable[[str], Sequence[Any]]

_TABLE: Final = CHECK_TYPES["cdmTable"]
_FIXED: Final = {"TRUE": 1, "FALSE": 0}


def check_table(
    rows: SourceSpec | object,
    table: Table,
    thresholds: Thresholds,
    *,
    today: dt.date,
    view: str = "SELECT * FROM source",
    name: str = "frame",
    cells: CellRules | None = None,
) -> ScoreCard:
    """Check one table of a site.

    Visible to: the site alone.

    Args:
        rows: a source, with its own view, cells and mapping; or a pandas frame.
        table: the schema's table.
        thresholds: the site's.
        today: the day after which a date lies in the future.
        view: of a frame: one SELECT over ``source``.
        name: of a frame, for messages.
        cells: of a frame: how its texts are written.

    Returns:
        The score card.
    """
    if isinstance(rows, SourceSpec):
        view, name, cells = rows.view, rows.name, rows.cells
    cells = cells or CellRules()
    rules = thresholds.of(table.name)
    try:
        with _opened(rows, table, rules, view=view, name=name, cells=cells) as run:
            checks = list(derive_checks(run.rows, rules, thresholds.shares, today))
            required, readable, repeated, spelt = identifier_checks(run.rows, thresholds.shares)
            results = run.results([*checks, required, readable])
            results += [run.repeated(repeated), run.spelt(spelt)]
            profile = run.profile()
            n_rows = run.n_rows()
    except SchemaMismatchError as error:
        check = Check(
            type=_TABLE, column="", what="the table can be read", reason=error.reason, is_error=True
        )
        return ScoreCard(table=table.name, source=name, rows=0, results=(unjudged(check),), columns=())
    filled = Check(
        type=_TABLE,
        column="",
        what="no row",
        violated="TRUE" if not n_rows else "FALSE",
        repair="# the source has no rows: name another file or relation in the site file",
    )
    first = judged(filled, 1, int(not n_rows))
    return ScoreCard(
        table=table.name,
        source=name,
        rows=n_rows,
        results=(first, *_one_placeholder(results)),
        columns=profile,
    )


@contextmanager
def _opened(
    rows: SourceSpec | object, table: Table, rules: TableRules, *, view: str, name: str, cells: CellRules
) -> Iterator[_Run]:
    """Open the rows where they are, or read them into a database of the node where their checks need that."""
    if isinstance(rows, SourceSpec) and rows.engine:
        with inspected_in_server(rows) as server:
            if not why_read(server.relation, rules):
                prepared = prepare_server_rows(table, server, cells, name)

                def near_there() -> int:
                    return int(server.ask(near_in_server(prepared, server.words))[0])

                yield _Run(ask=server.ask, rows=prepared, cells=cells, near=near_there)
                return
    with inspected(rows, name=name, view=view, cells=cells) as connection:

        def ask(statement: str) -> Sequence[Any]:
            return connection.execute(statement).fetchone() or ()

        described = connection.execute("DESCRIBE source").fetchall()
        types = {str(row[0]): str(row[1]) for row in described}
        here = prepare_rows(table, types, cells, rules, name)
        yield _Run(
            ask=ask, rows=here, cells=cells, near=lambda: near_duplicates(connection, f"({here.select})")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """The checks of one table.

    Attributes:
        ask: runs a statement of one row.
        rows: how the table is read.
        cells: how its texts are written.
        near: counts units whose identifiers differ by spelling alone.
    """

    ask: Ask
    rows: PreparedRows
    cells: CellRules
    near: Callable[[], int]

    def results(self, checks: Sequence[Check]) -> list[CheckResult]:
        """One SELECT for all checks; where it fails, one for each, so that one fault is one error."""
        asked = [check for check in checks if check.violated and check.violated not in _FIXED]
        figures = [self._figures(check) for check in asked]
        try:
            found = self._asked([figure for each in figures for figure in each])
        except Exception:  # noqa: BLE001  whatever it is, its text stays here
            return [self._alone(check) for check in checks]
        given: dict[int, Sequence[Any]] = {}
        start = 0
        for check, each in zip(asked, figures, strict=True):
            given[id(check)] = found[start : start + len(each)]
            start += len(each)
        return [self._result(check, given.get(id(check), ())) for check in checks]

    def _alone(self, check: Check) -> CheckResult:
        if not check.violated or check.violated in _FIXED:
            return self._result(check, ())
        try:
            return self._result(check, self._asked(self._figures(check)))
        except Exception as error:  # noqa: BLE001  likewise
            reason = f"it cannot be computed ({type(error).__name__})"
            return CheckResult(check=check, state=State.ERROR, reason=reason)

    def _asked(self, figures: Sequence[str]) -> Sequence[Any]:
        if not figures:
            return ()
        return self.ask(f"SELECT {', '.join(figures)} FROM ({self.rows.select}) AS checked")  # noqa: S608  quoted names

    def _figures(self, check: Check) -> tuple[str, ...]:
        among = check.among or "TRUE"
        counted = f"count(*) FILTER (WHERE {among})"
        if check.type.name == "newestRecord":
            return counted, f"CAST(COALESCE({check.violated}, FALSE) AS INTEGER)"
        found = (counted, f"count(*) FILTER (WHERE ({among}) AND {check.violated})")
        column = self.rows.table.columns.get(check.column)
        if not isinstance(column, NumericColumn):
            return found
        if check.type.name == "placeholderValue":
            return found + isolation(check)
        if check.type.name == "cdmDatatype":
            return (*found, f"count(*) FILTER (WHERE {decimal_sign(self.rows, check)})")
        return found

    def _result(self, check: Check, given: Sequence[Any]) -> CheckResult:
        if not check.violated:
            return unjudged(check)
        if check.violated in _FIXED:
            return judged(check, 1, _FIXED[check.violated])
        rows, violating, *more = given
        if check.type.name == "newestRecord":
            return judged(check, min(int(rows), 1), int(violating))
        column = self.rows.table.columns.get(check.column)
        if isinstance(column, NumericColumn) and check.type.name == "placeholderValue":
            violating = violating if is_isolated(column, violating, *more) else 0
        if (
            isinstance(column, NumericColumn)
            and check.type.name == "cdmDatatype"
            and 0 < violating == more[0]
        ):
            sign = OTHER_SIGN[self.cells.decimal]
            check = replace(check, repair=repairs.number(check.column, decimal=sign))
        return judged(check, int(rows), int(violating))

    def repeated(self, check: Check) -> CheckResult:
        """Rows of a unit beyond its limit."""
        if not check.violated:
            return unjudged(check)
        most = self.rows.table.max_rows_per_unit
        units = f"SELECT count(*) AS n FROM ({self.rows.select}) AS checked WHERE {UNIT} IS NOT NULL GROUP BY {UNIT}"  # noqa: S608
        over_most = f"sum(n - {most}) FILTER (WHERE n > {most})"
        rows, over = self.ask(f"SELECT sum(n), {over_most} FROM ({units}) AS units")  # noqa: S608
        return judged(check, int(rows or 0), int(over or 0))

    def spelt(self, check: Check) -> CheckResult:
        """Units whose identifiers differ by spelling alone."""
        if not check.violated or self.rows.unit is None:
            return unjudged(check)
        if not self.rows.unit.is_text:
            reason = "identifiers are integers, which have one spelling"
            return unjudged(replace(check, violated="", reason=reason))
        (units,) = self.ask(f"SELECT count(DISTINCT {UNIT}) FROM ({self.rows.select}) AS checked")  # noqa: S608
        return judged(check, int(units), self.near())

    def n_rows(self) -> int:
        """Rows of the view."""
        (found,) = self.ask(f"SELECT count(*) FROM {self.rows.source}")  # noqa: S608
        return int(found)

    def profile(self) -> tuple[ColumnCells, ...]:
        """Of each readable column, how many rows have a valid value, an invalid one, and none."""
        parts: list[str] = []
        for name, clean in self.rows.columns.items():
            cell = staged(name)
            valid = f"{cell} BETWEEN {clean.low} AND {clean.high}"
            parts += [
                f"count(*) FILTER (WHERE {valid})",
                f"count(*) FILTER (WHERE NOT {valid})",
                f"count(*) FILTER (WHERE {cell} IS NULL)",
            ]
        found = list(map(int, self._asked(parts)))
        return tuple(
            ColumnCells(
                name=name,
                valid=found[3 * place],
                invalid=found[3 * place + 1],
                missing=found[3 * place + 2],
            )
            for place, name in enumerate(self.rows.columns)
        )


def _one_placeholder(results: Sequence[CheckResult]) -> tuple[CheckResult, ...]:
    """Of each column's suspected words for "missing" those that failed, or one that passed."""
    failed = {
        each.check.column
        for each in results
        if each.check.type.name == "placeholderValue" and each.state is State.FAILED
    }
    kept: list[CheckResult] = []
    seen: set[str] = set()
    for each in results:
        column = each.check.column
        if each.check.type.name == "placeholderValue":
            if each.state is not State.FAILED and (column in failed or column in seen):
                continue
            seen.add(column)
        kept.append(each)
    return tuple(kept)
