"""The linked patients of one table, with one column from each of two sites.

Layer:       federation.client.linking. A convenience wrapper; it can do nothing that a request cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

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

    def crosstab(self, a: str, b: str, **options: object) -> Answer:
        """Count the combinations of two columns; errors as ``Session.statistic_by_columns``.

        Args:
            a: a column, at one of the two sites.
            b: the other one.
            **options: ``exact``, ``purpose``.
        """
        return self._session.statistic_by_columns("crosstab", a, b, table=self.table, at=self.at, **options)

    def chi_square(self, a: str, b: str, **options: object) -> Answer:
        """Test independence of two columns; otherwise as ``crosstab``, with ``correction`` too."""
        return self._session.statistic_by_columns("chi_square", a, b, table=self.table, at=self.at, **options)

    def explain(self, statistic: str, a: str, b: str, **options: object) -> Explanation:
        """Return plan and recipients; nothing is spent."""
        return self._session.explain_by_columns(statistic, a, b, table=self.table, at=self.at, **options)
