"""What a database must do for a site's clean table: run a statement, in time, and say how it ended.

Layer:       analytics.sources.engines.base, the lowest of the engines.
Terms:       an *engine* holds clean tables and runs the statements that plans derive. ``dialect`` is the name of its SQL
             in sqlglot, into which statements are rendered.
             Beside a declared column in which ingest found values that the schema does not allow, a clean table has the
             true-or-false column ``analytics.statistics.blocks.invalid_name``; the report's counts say which these are.
Guarantees:  statements run side by side; a time limit ends one without touching the others. An engine raises
             ``LocalTimeoutError`` and ``SourceLostError`` for time and a closed connection, and for nothing else; any
             other exception is a fault, after which ``LocalTable`` goes out of service.
See instead: what statements there are (``analytics.plans.local_query``), what happens with their rows
             (``local_table``).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

Row = tuple[int | None, *tuple[int, ...]]


class Engine(Protocol):
    """One open database with a site's clean table; thread-safe."""

    @property
    def dialect(self) -> str:
        """The name of its SQL in sqlglot."""
        ...

    @property
    def version(self) -> str:
        """Name and version of the database, for the site's administrator."""
        ...

    def numbered_units(self, table: str) -> tuple[str, str]:
        """The clean table with a number of each unit, the same in all rows of the unit.

        Args:
            table: its name.

        Returns:
            What stands after FROM, and the number's name there.
        """
        ...

    def rows(self, statement: str, limit_s: float | None) -> list[Row]:
        """Run a statement whose first column is a group's number or NULL, and whose other columns are integers.

        Args:
            statement: in the engine's dialect, over the clean table alone.
            limit_s: seconds after which it is stopped; None: never.

        Returns:
            Its rows.

        Raises:
            LocalTimeoutError: not done in time.
            SourceLostError: the database is gone.
        """
        ...

    def columns(self, statement: str, limit_s: float | None) -> Mapping[str, npt.NDArray[np.int64]]:
        """Run a statement whose columns are integers and never NULL; arguments and errors as ``rows``.

        Returns:
            Its columns by name, in order, each of shape ``(n_rows,)``.
        """
        ...

    def cancel(self) -> None:
        """End every statement that runs; each raises ``LocalTimeoutError``."""
        ...

    def close(self) -> None:
        """End every statement that runs, wait for them in bounded time, and forget the rows.

        It raises nothing, whoever closes at the same time or again. Statements that run or come later raise
        ``SourceLostError`` or ``LocalTimeoutError``.
        """
        ...
