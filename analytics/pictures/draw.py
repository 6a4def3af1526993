"""Draws a picture with matplotlib.

Layer:       analytics.pictures above kinds; imports matplotlib when something is drawn, and never its pyplot, so that
             no window opens and no global state changes.
Guarantees:  series differ by color and by line or marker, so that they can be told apart in print and by everybody. A value
             that is None leaves a gap.
Source:      colors: Okabe and Ito 2008.
"""

from __future__ import annotations

import math
from functools import singledispatch
from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError
from analytics.pictures.kinds import Bars, Boxes, Cells, Curves, Estimates, Network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from analytics.pictures.kinds import Curve, Picture, Value

COLORS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_LINES: Final = ("-", "--", "-.", ":")
_MARKS: Final = ("o", "s", "^", "D", "v", "P", "X")
_SIZE: Final = (6.4, 4.2)
_ROW: Final = 0.075  # of the axes' height, a line of the table below
_BOX: Final = 0.5
_SQUARE: Final = 150.0  # points squared, of all weights together
_DIAMOND: Final = 0.25
_DARK: Final = 0.6
_THICK: Final = 5.0  # points, the heaviest line of a network
_NODE: Final = 250.0  # points squared, its largest node
_MIDDLE: Final = 0.1  # nodes so near the vertical have their names above or below


def draw(picture: Picture, axes: Axes | None = None) -> Axes:
    """Draw a picture.

    Args:
        picture: what is shown.
        axes: where; by default in a new figure, which is ``.figure`` of what is returned.

    Returns:
        The axes.

    Raises:
        InvalidRequestError: matplotlib is not installed.
    """
    if axes is None:
        axes = _new_axes()
    _drawn(picture, axes)
    return axes


def _new_axes() -> Axes:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        reason = "needs matplotlib, which is not installed: pip install 'crossward[plots]'"
        raise InvalidRequestError(parameter="plot", reason=reason) from error
    figure = Figure(figsize=_SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot()


@singledispatch
def _drawn(picture: object, axes: Axes) -> None:
    del axes
    raise InvalidRequestError(parameter="plot", reason=f"no picture is known for {type(picture).__name__}")


@_drawn.register(Curves)
def _curves(picture: Curves, axes: Axes) -> None:
    for number, curve in enumerate(picture.curves):
        _line(curve, axes, number, is_stepped=picture.is_stepped)
    if picture.has_diagonal:
        axes.axline((0, 0), slope=1, color="0.6", linewidth=0.8)
    axes.set(xlabel=picture.x_name, ylabel=picture.y_name)
    if picture.y_range is not None:
        axes.set_ylim(*picture.y_range)
    if len(picture.curves) > 1 or picture.curves[0].label:
        axes.legend(frameon=False)
    if picture.below:
        _table_below(picture, axes)


def _line(curve: Curve, axes: Axes, number: int, *, is_stepped: bool) -> None:
    color = COLORS[number % len(COLORS)]
    style = _LINES[number % len(_LINES)]
    how = "steps-post" if is_stepped else "default"
    axes.plot(
        list(curve.x), _numbers(curve.y), color=color, linestyle=style, drawstyle=how, label=curve.label
    )
    if curve.low:
        low, high = _numbers(curve.low), _numbers(curve.high)
        axes.fill_between(
            list(curve.x),
            low,
            high,
            step="post" if is_stepped else None,
            color=color,
            alpha=0.15,
            linewidth=0,
        )


def _table_below(picture: Curves, axes: Axes) -> None:
    """Texts under the axis, at the marks."""
    across = axes.get_xaxis_transform()
    top = -0.22
    axes.text(0, top, picture.below_name, transform=axes.transAxes, fontsize="small", fontweight="bold")
    for row, (label, texts) in enumerate(picture.below.items(), start=1):
        height = top - row * _ROW
        axes.text(-0.02, height, label, transform=axes.transAxes, ha="right", fontsize="small")
        for place, text in zip(picture.marks, texts, strict=True):
            axes.text(place, height, text, transform=across, ha="center", fontsize="small")


@_drawn.register(Estimates)
def _estimates(picture: Estimates, axes: Axes) -> None:
    places = range(len(picture.labels))
    values, low, high = (_numbers(each) for each in (picture.values, picture.low, picture.high))
    n_single = len(values) - picture.n_pooled
    axes.hlines(list(places)[:n_single], low[:n_single], high[:n_single], color=COLORS[0])
    if picture.weights:
        areas = [_SQUARE * weight for weight in picture.weights]
        axes.scatter(values[:n_single], list(places)[:n_single], areas, marker="s", color=COLORS[0])
    else:
        axes.plot(values[:n_single], list(places)[:n_single], "s", color=COLORS[0], markersize=5)
    for place in places[n_single:]:
        across = [low[place], values[place], high[place], values[place]]
        axes.fill(across, [place, place - _DIAMOND, place, place + _DIAMOND], color=COLORS[1])
    if picture.reference is not None:
        axes.axvline(picture.reference, color="0.6", linewidth=0.8)
    if picture.is_ratio:
        from matplotlib.ticker import LogLocator, NullFormatter

        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(list(places), [str(label) for label in picture.labels])
    axes.set_ylim(len(picture.labels) - _BOX, -_BOX)
    axes.set_xlabel(picture.x_name)


@_drawn.register(Cells)
def _cells(picture: Cells, axes: Axes) -> None:
    import numpy as np

    values = np.array([_numbers(row) for row in picture.values])
    known = values[np.isfinite(values)]
    low, high = (-1.0, 1.0) if picture.is_signed else (0.0, float(known.max(initial=1.0)))
    image = axes.imshow(
        values, cmap="PuOr" if picture.is_signed else "Blues", vmin=low, vmax=high, aspect="auto"
    )
    axes.set_xticks(range(len(picture.columns)), [str(each) for each in picture.columns])
    axes.set_yticks(range(len(picture.rows)), [str(each) for each in picture.rows])
    axes.set(xlabel=picture.column_name, ylabel=picture.row_name)
    for row, entries in enumerate(values):
        for column, value in enumerate(entries):
            shown = f"{value:.{picture.places}f}" if math.isfinite(value) else "closed"
            part = abs(value) if picture.is_signed else value / high
            color = "white" if math.isfinite(value) and part > _DARK else "black"
            axes.text(column, row, shown, ha="center", va="center", color=color, fontsize="small")
    axes.figure.colorbar(image, ax=axes)


@_drawn.register(Bars)
def _bars(picture: Bars, axes: Axes) -> None:
    width = 0.8 / max(1, len(picture.series))
    for number, (name, heights) in enumerate(picture.series.items()):
        places = [place + (number - (len(picture.series) - 1) / 2) * width for place in range(len(heights))]
        values = _numbers(heights)
        axes.bar(places, values, width * 0.92, color=COLORS[number % len(COLORS)], label=name, alpha=0.85)
        if name in picture.low:
            axes.vlines(places, _numbers(picture.low[name]), _numbers(picture.high[name]), color="0.2")
    axes.set_xticks(range(len(picture.labels)), [str(label) for label in picture.labels])
    axes.set(xlabel=picture.x_name, ylabel=picture.y_name)
    if len(picture.series) > 1:
        axes.legend(frameon=False)


@_drawn.register(Boxes)
def _boxes(picture: Boxes, axes: Axes) -> None:
    for place, (first, median, third) in enumerate(picture.quartiles):
        if first is not None and third is not None:
            axes.bar(place, third[1] - first[0], _BOX, bottom=first[0], color=COLORS[0], alpha=0.35)
        if median is not None:
            axes.bar(place, median[1] - median[0], _BOX, bottom=median[0], color=COLORS[0])
    axes.set_xticks(range(len(picture.labels)), [str(label) for label in picture.labels])
    axes.set_ylabel(picture.y_name)


@_drawn.register(Network)
def _network(picture: Network, axes: Axes) -> None:
    turns = [2 * math.pi * place / max(1, len(picture.labels)) for place in range(len(picture.labels))]
    x, y = [math.sin(turn) for turn in turns], [math.cos(turn) for turn in turns]
    largest = max((weight for _, _, weight in picture.edges), default=0) or 1
    for one, other, weight in picture.edges:
        width = _THICK * max(weight / largest, 0.1)
        axes.plot([x[one], x[other]], [y[one], y[other]], color="0.6", linewidth=width, zorder=1)
    most = max(picture.sizes, default=0) or 1
    axes.scatter(x, y, s=[_NODE * max(size / most, 0.1) for size in picture.sizes], color=COLORS[0], zorder=2)
    for label, across, up in zip(picture.labels, x, y, strict=True):
        side = "center" if abs(across) < _MIDDLE else "left" if across > 0 else "right"
        axes.annotate(
            str(label), (across, up), (9 * across, 9 * up), textcoords="offset points", ha=side, va="center"
        )
    axes.set(xlim=(-1.6, 1.6), ylim=(-1.3, 1.3), xticks=[], yticks=[])
    axes.set_xlabel(f"width: {picture.edge_name}, at most {largest:.2g}")


def _numbers(values: Sequence[Value]) -> list[float]:
    """NaN for None, which matplotlib leaves out."""
    return [math.nan if value is None else float(value) for value in values]
