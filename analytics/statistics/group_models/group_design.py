"""The design of a model whose covariates enter by their groups, for fits of a released table.

Layer:       analytics.statistics.linear_models above sql's groups; pure.
Terms:       a *combination* is one known group of each covariate, the last covariate fastest. Each covariate has one parameter
             for each group but its first; a number's groups are its declared bins.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.sql.grouping import labels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from analytics.sql.query import GroupColumn

_FLAGS: Final = ("False", "True")


def known_groups(column: GroupColumn) -> tuple[str, ...]:
    """Names of a column's groups of known values."""
    return tuple(str(label) for label in labels_of(column) if label is not None)


def group_terms(columns: Sequence[GroupColumn]) -> tuple[str, ...]:
    """Names of the parameters: the column of a true-or-false one, else ``column=group``."""
    found: list[str] = []
    for column in columns:
        names = known_groups(column)
        found += [column.name] if names == _FLAGS else [f"{column.name}={name}" for name in names[1:]]
    return tuple(found)


def group_design(columns: Sequence[GroupColumn]) -> npt.NDArray[np.float64]:
    """Of each combination, 0 or 1 for each parameter; shape ``(combinations, parameters)``."""
    sizes = [len(known_groups(column)) for column in columns]
    places = np.indices(sizes).reshape(len(sizes), -1)
    each = [np.eye(size)[place][:, 1:] for size, place in zip(sizes, places, strict=True)]
    return np.concatenate(each, axis=1)
