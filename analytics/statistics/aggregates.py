"""The aggregates of SQL, each in one line.

Layer:       analytics.statistics above moments.
Guarantees:  nothing else in the product lists them, or asks which one it has.
See instead: statistics that are asked by name (registry).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from analytics.sql.query import Form
from analytics.statistics.moments.counts import CountRows, CountUnits, CountValues
from analytics.statistics.moments.means import Mean
from analytics.statistics.moments.sums import Total
from analytics.statistics.moments.variances import Variance

if TYPE_CHECKING:
    from analytics.sql.functions import Functions
    from analytics.statistics.aggregate import Aggregate

_AGGREGATES: Final[tuple[Aggregate, ...]] = (
    CountRows(name="count_rows", sql_names=("COUNT",), form=Form.ROWS),
    CountValues(name="count", sql_names=("COUNT",), form=Form.VALUE),
    CountUnits(name="count_units", sql_names=("COUNT",), form=Form.UNITS),
    Total(name="sum", sql_names=("SUM",)),
    Mean(name="mean", sql_names=("AVG",)),
    Variance(name="variance_sample", sql_names=("VARIANCE",), lost=1),
    Variance(name="variance_population", sql_names=("VARIANCE_POP",), lost=0),
    Variance(name="deviation_sample", sql_names=("STDDEV", "STDDEV_SAMP"), lost=1, is_root=True),
    Variance(name="deviation_population", sql_names=("STDDEV_POP",), lost=0, is_root=True),
)
AGGREGATES: Final[dict[str, Aggregate]] = {each.name: each for each in _AGGREGATES}


def sql_functions() -> Functions:
    """The aggregates by SQL name and form, for the binder."""
    found: dict[str, dict[Form, str]] = {}
    for each in AGGREGATES.values():
        for name in each.sql_names:
            found.setdefault(name, {})[each.form] = each.name
    return found
