"""The picture of survival curves on a declared grid, with the numbers at risk below.

Layer:       analytics.statistics.life_tables; public arithmetic of an answer.
Source:      ours.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from analytics.pictures import Curve, Curves

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MARKS: Final = 8


def survival_picture(rows: Sequence[Mapping[str, Any]]) -> Curves:
    """Curves from 1 on; each ends where it is closed.

    Args:
        rows: of all groups and intervals, with ``group``, ``start``, ``end``, ``at_risk``, ``survival``, ``low`` and
            ``high``; None where an interval is closed.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(str(row["group"]), []).append(row)
    starts = [float(row["start"]) for row in next(iter(groups.values()))]
    step = math.ceil(len(starts) / _MARKS)
    curves = [
        Curve(
            label=name,
            x=[starts[0], *(float(row["end"]) for row in own)],
            y=[1.0, *(row["survival"] for row in own)],
            low=[1.0, *(row["low"] for row in own)],
            high=[1.0, *(row["high"] for row in own)],
        )
        for name, own in groups.items()
    ]
    below = {
        name: ["" if row["at_risk"] is None else f"{row['at_risk']:.0f}" for row in own[::step]]
        for name, own in groups.items()
    }
    return Curves(
        curves=curves,
        x_name="time",
        y_name="survival",
        is_stepped=True,
        y_range=(0.0, 1.02),
        below=below,
        marks=starts[::step],
        below_name="at risk",
    )
