"""What a picture shows, as plain data.

Layer:       analytics.pictures, the lowest; pure.
Terms:       None stands where there is no value: a figure that the guard closed, or one without an interval.
See instead: the drawing (draw).
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Value = float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line.

    Attributes:
        label: its name.
        x: places, rising.
        y: heights; shape as ``x``.
        low: lower ends of intervals; empty for none.
        high: upper ends.
    """

    label: str
    x: Sequence[float]
    y: Sequence[Value]
    low: Sequence[Value] = ()
    high: Sequence[Value] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Lines over one axis.

    Attributes:
        curves: the lines.
        x_name: of the axis.
        y_name: of the other.
        is_stepped: whether a value holds until the next place.
        has_diagonal: whether the line of equal coordinates is drawn too.
        y_range: fixed ends of the y axis; None: as the values need.
        below: a table under the axis: by label, one text for each of ``marks``.
        marks: the places of that table.
        below_name: what the table holds.
    """

    curves: Sequence[Curve]
    x_name: str
    y_name: str
    is_stepped: bool = False
    has_diagonal: bool = False
    y_range: tuple[float, float] | None = None
    below: Mapping[str, Sequence[str]] = field(default_factory=dict)
    marks: Sequence[float] = ()
    below_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """Estimates with intervals, one below the other: a forest plot.

    Attributes:
        labels: one for each.
        values: the estimates.
        low: lower ends.
        high: upper ends.
        x_name: what is estimated.
        reference: the value of no effect; None for none.
        is_ratio: whether the axis is logarithmic.
        weights: of all but the pooled ones, in parts of 1: the areas of their squares; empty: all equal.
        n_pooled: the last so many are pooled from the others, and drawn as diamonds as wide as their intervals.
    """

    labels: Sequence[str]
    values: Sequence[Value]
    low: Sequence[Value]
    high: Sequence[Value]
    x_name: str
    reference: float | None = None
    is_ratio: bool = False
    weights: Sequence[float] = ()
    n_pooled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Numbers in rows and columns, as a heat map.

    Attributes:
        rows: labels.
        columns: labels.
        values: row by row.
        row_name: what the rows are.
        column_name: what the columns are.
        is_signed: whether colors part at 0, between -1 and 1.
        places: decimal places shown in each cell.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[Value]]
    row_name: str = ""
    column_name: str = ""
    is_signed: bool = False
    places: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Bars side by side, in series.

    Attributes:
        labels: of the places.
        series: by name, one height a place.
        low: by name, lower ends of intervals; without it there are none.
        high: upper ends.
        x_name: what the places are.
        y_name: what the heights are.
    """

    labels: Sequence[str]
    series: Mapping[str, Sequence[Value]]
    low: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    high: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    x_name: str = ""
    y_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes:
    """Quartiles: a box over their bins, from the first to the third, and the median's bin.

    Attributes:
        labels: one for each.
        quartiles: first, second and third quartile, each as the two ends of its bin; None where it is closed.
        y_name: what is shown.
    """

    labels: Sequence[str]
    quartiles: Sequence[Sequence[tuple[float, float] | None]]
    y_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Nodes on a circle, and lines between them.

    Attributes:
        labels: of the nodes.
        sizes: of the nodes, in numbers of their own; their areas are in proportion.
        edges: numbers of two nodes each, and the line's weight, above 0: its width is in proportion.
        edge_name: what the weight is.
    """

    labels: Sequence[str]
    sizes: Sequence[float]
    edges: Sequence[tuple[int, int, float]]
    edge_name: str


Picture = Curves | Estimates | Cells | Bars | Boxes | Network
