"""A site's clean table, scanned by plans.

Layer:       analytics.sources below opening.
Shapes:      ``local_figures`` gives ``(n_figures,)`` int64, clamped, neither weighted nor noisy; ``complete_cases``
             gives rows, for the site's own training stage.
Guarantees:  one scan a plan; questions run side by side; a time limit ends one without touching the others. No error
             carries a value: the database's texts stay here. Only time and a closed
             connection make a statement fail, whatever the rows. If a statement fails for another reason all the
             same, the table is out of service until the site's program is restarted, so that the rows behind such a
             failure can be probed once at most.
See instead: the database (``engines``), weight, noise and shares (release).
Source:      ours.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from analytics.errors import LocalTimeoutError, SourceFailedError, SourceLostError
from analytics.schema import BooleanColumn
from analytics.schema.tables import ROW
from analytics.sources.images.opening import NUMBER
from analytics.sources.links.link_forms import LINK_COLUMN
from analytics.sql.terms.render import DIALECTS, quoted
from analytics.statistics.blocks import MISSING, invalid_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analytics.plans.plan import Plan
    from analytics.schema import Table
    from analytics.sources.engines.base import Engine, Row
    from analytics.sources.images.opening import TablePictures
    from analytics.sources.links.kept_links import SiteLinks
    from analytics.sources.reports.report import IngestReport

T = TypeVar("T")


class LocalTable:
    """One table of one site, clean and shut off; thread-safe."""

    def __init__(
        self, *, engine: Engine, table: Table, report: IngestReport, pictures: TablePictures | None = None
    ) -> None:
        """Take over an engine that holds the clean table.

        Args:
            engine: open, and shut off from everything else.
            table: the schema's table.
            report: what was found at ingest, for the site's administrator.
            pictures: of its rows, where the schema has any.
        """
        self._pictures = pictures
        self.table, self.report, self.engine = table, report, engine
        self._never_null = frozenset(
            each.name
            for each in report.columns
            if not (each.missing or each.not_finite or each.outside_domain)
        )
        # a clean table has the hidden column of a declared one only where a value was invalid
        self._never_invalid = tuple(
            quoted(invalid_name(each.name))
            for each in report.columns
            if not (each.clipped or each.not_finite or each.outside_domain)
        )
        self._out_of_service = threading.Event()
        self.links: SiteLinks | None = None  # the node that owns the table sets them

    def __repr__(self) -> str:
        return f"Source(table={self.table.name!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_in_service(self) -> bool:
        """Whether questions are answered: no statement has failed so far."""
        return not self._out_of_service.is_set()

    def local_figures(self, plan: Plan, limit_s: float | None = None) -> npt.NDArray[np.int64]:
        """Run a plan's local statement over this site's rows.

        Visible to: the site alone.

        Args:
            plan: the plan, derived by this site itself.
            limit_s: seconds after which it is stopped; None: never.

        Returns:
            The site's figures, shape ``(n_figures,)``: 0 for groups without rows, each clamped to its public
            bound.

        Raises:
            LocalTimeoutError: not done in time.
            SourceLostError: the database is gone.
            SourceFailedError: the database failed, now or before.
        """
        figures = [0] * plan.n_figures
        first = 0
        for statement in plan.statements(DIALECTS[self.engine.dialect], self._never_null):
            n_blocks = 0
            for group, *values in self._rows(statement, limit_s):
                n_blocks = len(values)
                if group is None:
                    continue  # rows of no group
                for block, value in enumerate(values, start=first):
                    figures[block * plan.n_groups + group] += value
            first += n_blocks
        clamped = [max(-limit, min(limit, value)) for value, limit in zip(figures, plan.clamps, strict=True)]
        return np.array(clamped, dtype=np.int64)

    def local_words(self, statement: str, limit_s: float | None = None) -> npt.NDArray[np.int64]:
        """Run the one scan of an exact plan that needs a few integers of every row, such as a mining plan's.

        Visible to: the site alone.

        Args:
            statement: derived by this site itself; its columns are BIGINT and never NULL.
            limit_s: as for ``local_figures``.

        Returns:
            One row an integer column, shape ``(n_columns, n_rows)``.

        Raises:
            LocalTimeoutError: not done in time.
            SourceLostError: the database is gone.
            SourceFailedError: the database failed, now or before.
        """
        columns = self._run(lambda: self.engine.columns(statement, limit_s))
        return np.stack(list(columns.values()))

    def complete_cases(self, columns: Sequence[str], limit_s: float | None = None) -> npt.NDArray[np.int64]:
        """Fetch the rows that have a value in every one of some columns, clean and on their grids.

        Visible to: the site alone.

        Args:
            columns: declared names, none of them the privacy unit.
            limit_s: seconds after which it is stopped; None: never.

        Returns:
            Shape ``(n, 1 + len(columns))``: the number of the row's unit, rising, then the values: grid
            index, position in the domain, or 0 and 1.

        Raises:
            LocalTimeoutError: not done in time.
            SourceLostError: the database is gone.
            SourceFailedError: the database failed, now or before.
        """
        names = [quoted(name) for name in columns]
        known = " AND ".join(f"{name} IS NOT NULL" for name in names)
        return self._values([self._integer(name) for name in columns], f"WHERE {known}", limit_s)

    def complete_pictures(
        self, columns: Sequence[str], pictures: Sequence[str], limit_s: float | None = None
    ) -> tuple[npt.NDArray[np.int64], tuple[npt.NDArray[Any], ...]]:
        """Fetch the rows that have a value in every one of some columns, and every one of some pictures.

        Visible to: the site alone.

        Args:
            columns: declared names, none of them the privacy unit; perhaps none.
            pictures: declared names, at least one.
            limit_s: as for ``complete_cases``.

        Returns:
            Rows as ``complete_cases`` gives them; and each picture of these rows, float32 ``(n, channels, *size)`` in
            [0, 1], or of a mask uint8 ``(n, *size)``.

        Raises:
            LocalTimeoutError: not done in time.
            SourceLostError: the database is gone.
            SourceFailedError: the database failed, now or before; or the table has no pictures.
        """
        if self._pictures is None:
            raise SourceFailedError(source=self.report.source, kind="no pictures")
        values = [
            *(self._integer(name) for name in columns),
            f"COALESCE(CAST({quoted(NUMBER)} AS BIGINT), -1)",
        ]
        known = " AND ".join(["TRUE", *(f"{quoted(name)} IS NOT NULL" for name in columns)])
        rows = self._values(values, f"WHERE {known}", limit_s)
        rows = rows[np.isin(rows[:, -1], self._pictures.with_all(pictures))]
        return rows[:, :-1], tuple(self._pictures.of(name, rows[:, -1]) for name in pictures)

    def every_row(self, columns: Sequence[str], limit_s: float | None = None) -> npt.NDArray[np.int64]:
        """Fetch all rows of some columns, as ``complete_cases``, with ``MISSING`` where one lacks a value.

        A hidden column (``invalid_name``) may be among them: 1 where the value was not allowed, else 0.
        """
        return self._values([f"COALESCE({self._integer(name)}, {MISSING})" for name in columns], "", limit_s)

    def levels(self, column: str) -> frozenset[int]:
        """Positions in the domain that some row has, or 0 and 1; for the site's administrator.

        Visible to: the site alone.
        """
        value = self._integer(column)
        known = f"{quoted(column)} IS NOT NULL"
        statement = f"SELECT DISTINCT {value} AS level FROM {quoted(self.table.name)} WHERE {known}"  # noqa: S608  a declared name
        found = self._run(lambda: self.engine.columns(statement, None))
        return frozenset(found["level"].tolist())

    def link_fault(self) -> str:
        """Why this table cannot be linked, in words without data; empty where it can.

        The counts behind it are in ``report``, for the administrator.
        """
        if self.links is None or self.engine.dialect != "duckdb":
            return "the table stays in its server, or the site keeps no linkages"
        if self.report.link_duplicates:
            return "identifiers are not fit for linkage; the site's administrator sees why"
        return "" if self.report.exact_allowed else "the table is larger than was agreed"

    def link_digests(self, limit_s: float | None = None) -> list[bytes]:
        """Fetch the digest of each unit's form for linkage, 32 bytes, in no order that means anything.

        Visible to: the site alone.

        Args:
            limit_s: seconds after which it is stopped; None: never.
        """
        column = quoted(LINK_COLUMN)
        statement = f"SELECT DISTINCT {column} FROM {quoted(self.table.name)} WHERE {column} IS NOT NULL ORDER BY {column}"  # noqa: S608
        rows = self._run(lambda: self.engine.rows(statement, limit_s))
        return [bytes.fromhex(str(row[0])) for row in rows]

    def link_values(
        self, column: str, limit_s: float | None = None
    ) -> tuple[list[bytes], npt.NDArray[np.int64]]:
        """Fetch one column of the units that can be linked, of a table of one row a unit.

        Visible to: the site alone.

        Args:
            column: a declared name.
            limit_s: as for ``link_digests``.

        Returns:
            The units' digests, and their values as ``every_row`` gives them.
        """
        digest = quoted(LINK_COLUMN)
        statement = (
            f"SELECT {digest}, COALESCE({self._integer(column)}, {MISSING}) FROM {quoted(self.table.name)} "  # noqa: S608
            f"WHERE {digest} IS NOT NULL ORDER BY {digest}"
        )
        rows = self._run(lambda: self.engine.rows(statement, limit_s))
        values = np.array([tuple(row)[-1] for row in rows], dtype=np.int64)
        return [bytes.fromhex(str(row[0])) for row in rows], values

    def close(self) -> None:
        """End every statement that runs, and forget the rows."""
        self.engine.close()

    def _values(self, values: Sequence[str], where: str, limit_s: float | None) -> npt.NDArray[np.int64]:
        relation, unit = quoted(self.table.name), DIALECTS[self.engine.dialect].row_number
        if self.table.privacy_unit != ROW:
            relation, unit = self.engine.numbered_units(self.table.name)
        named = "".join(f", {value} AS c{place}" for place, value in enumerate(values))
        rows = f"FROM {relation} {where} ORDER BY unit"
        statement = self._readable(f"SELECT CAST({unit} AS BIGINT) AS unit{named} {rows}")
        found = self._run(lambda: self.engine.columns(statement, limit_s))
        return np.stack(list(found.values()), axis=1)

    def _integer(self, name: str) -> str:
        is_boolean = name not in self.table.columns or isinstance(self.table.columns[name], BooleanColumn)
        value = (
            f"CAST({quoted(name)} AS INTEGER)" if is_boolean else quoted(name)
        )  # not every engine casts it to BIGINT
        return f"CAST({value} AS BIGINT)"

    def _readable(self, statement: str) -> str:
        """The statement with FALSE for hidden columns that the table does not have: statements hold names and integers alone."""
        if invalid_name("") in statement:
            for name in self._never_invalid:
                statement = statement.replace(name, "FALSE")
        return statement

    def _rows(self, statement: str, limit_s: float | None) -> list[Row]:
        readable = self._readable(statement)
        return self._run(lambda: self.engine.rows(readable, limit_s))

    def _run(self, ask: Callable[[], T]) -> T:
        """Run a statement; any failure but time and a lost database puts the table out of service."""
        if not self.is_in_service:
            raise SourceFailedError(source=self.report.source, kind="out of service")
        try:
            return ask()
        except (LocalTimeoutError, SourceLostError):
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, its text stays here
            self._out_of_service.set()
            raise SourceFailedError(source=self.report.source, kind=type(error).__name__) from None
