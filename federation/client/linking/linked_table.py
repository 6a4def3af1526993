"""The linked patients of one table, with one column from each of two sites.

Layer:       federation.client.linking. A convenience wrapper; it can do nothing that a request cannot.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from analytics.statistics.registry import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from analytics.statistics.base import Answer
    from federation.requests.explanation import Explanation


class Linking(Protocol):
    """The part of a session that linked patients need."""

    def statistic_by_columns(
        self, name: str, *arguments: object, table: str, at: Mapping[str, str], **options: object
    ) -> Answer:
        """See ``federation.client.linking.links``."""
        ...

    def explain_by_columns(
        self, name: str, *arguments: object, table: str, at: Mapping[str, str], **options: object
    ) -> Explanation:
        """See ``federation.client.linking.links``."""
        ...


class LinkedTable:
    """Statistics of two columns of the same patients at two sites."""

    def __init__(self, session: Linking, table: str, at: Mapping[str, str]) -> None:
        """Name the table, and where each column is."""
        self._session, self.table, self.at = session, table, dict(at)

    def __getattr__(self, statistic: str) -> Callable[..., Answer]:
        """Return a table of two columns as a method: the columns, then ``exact`` and ``purpose``.

        Errors as ``Session.statistic_by_columns``.
        """
        if statistic not in STATISTICS or not STATISTICS[statistic].is_whole_table:
            known = ", ".join(sorted(name for name, kind in STATISTICS.items() if kind.is_whole_table))
            raise AttributeError(f"linked patients have {known}", name=statistic, obj=self)
        return partial(self._session.statistic_by_columns, statistic, table=self.table, at=self.at)

    def explain(self, statistic: str, a: str, b: str, **options: object) -> Explanation:
        """Return plan and recipients; nothing is spent."""
        return self._session.explain_by_columns(statistic, a, b, table=self.table, at=self.at, **options)
