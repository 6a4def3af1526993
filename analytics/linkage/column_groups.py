"""Which public group of a column each of a site's linked rows is in.

Layer:       analytics.linkage beside by_columns.
Guarantees:  the groups, and their order, are those of GROUP BY (``analytics.plans.groups``).
Visible to:  the site alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.errors import ReleaseRefusedError
from analytics.linkage.by_columns import bits_at_site
from analytics.schema import NumericColumn
from analytics.statistics.blocks import MISSING

if TYPE_CHECKING:
    from analytics.linkage.by_columns import ByColumns
    from analytics.sources import LocalTable
    from analytics.sql.query import GroupKey
    from analytics.statistics.base import Ints


def groups_of(key: GroupKey, values: Ints) -> Ints:
    """Group of each value: position in the domain, bin, or 0 and 1; the last where it is missing in a nullable column.

    Args:
        key: the column with its groups.
        values: as ``LocalTable.link_values`` gives them.

    Returns:
        -1 where a value is missing in a column that is not nullable.
    """
    column = key.column
    missing = len(key.labels) - 1 if column.nullable else -1
    groups = values
    if isinstance(column, NumericColumn):
        edges = [int(edge / column.resolution) for edge in column.bins[1:-1]]
        groups = np.searchsorted(np.array(edges, dtype=np.int64), values, side="right")
    return np.where(values == MISSING, missing, groups).astype(np.int64)


def linked_bits(plan: ByColumns, table: LocalTable, limit_s: float) -> Ints:
    """Read a site's column and write its one-hot rows; zeros at a site that holds neither.

    Raises:
        ReleaseRefusedError: this site has no finished linkage with the other one.
        LocalTimeoutError, SourceLostError, SourceFailedError: as ``LocalTable``.
    """
    nothing = np.zeros(0, dtype=np.int64)
    links = table.links
    if links is None or links.owner not in plan.sites:
        return bits_at_site(plan, "", nothing, nothing)
    own = plan.sites.index(links.owner)
    link = links.kept(links.linkage(plan.table.name, plan.sites[1 - own]))
    if link is None:
        raise ReleaseRefusedError(
            rule="linkage", reason="the two sites have no finished linkage of this table"
        )
    key = plan.inner.groups[own]
    digests, values = table.link_values(key.column.name, limit_s)
    return bits_at_site(plan, links.owner, link.places(digests), groups_of(key, values))
