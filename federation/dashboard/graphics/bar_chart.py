"""Bars with the intervals of their noise.

Layer:       federation.dashboard.graphics. Pure.
Guarantees:  names are escaped; None leaves a gap. The figures stand in the table beside the picture.
See instead: the same with matplotlib (``analytics.pictures``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.pictures import Bars

WIDTH: Final = 640
MOST: Final = 40
_LINE, _LABEL, _TOP, _RIGHT = 30, 170, 8, 70
_LETTERS: Final = 24


def bar_chart(bars: Bars, label: str) -> Markup:
    """Draw one series as horizontal bars, so that long names stay readable.

    Args:
        bars: of one series.
        label: the text alternative.
    """
    (name, heights), *_ = bars.series.items()
    shown = list(zip(bars.labels, heights, strict=True))[:MOST]
    low, high = bars.low.get(name, ()), bars.high.get(name, ())
    ends = [*heights[:MOST], *low[:MOST], *high[:MOST], 0.0]
    known = [value for value in ends if value is not None]
    least, most = min(known), max(known)
    scale = (WIDTH - _LABEL - _RIGHT) / ((most - least) or 1.0)

    def x(value: float) -> float:
        return _LABEL + (value - least) * scale

    parts = []
    for place, (text, value) in enumerate(shown):
        y = _TOP + place * _LINE
        parts.append(_row(str(text), value, y, x))
        if low and high and low[place] is not None and high[place] is not None:
            parts.append(_whisker(x(low[place] or 0.0), x(high[place] or 0.0), y + 11))
    height = _TOP * 2 + len(shown) * _LINE
    axis = Markup('<line x1="{0:.1f}" x2="{0:.1f}" y1="0" y2="{1}" class="axis"/>').format(x(0.0), height)
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}" class="chart">{}{}</svg>').format(
        WIDTH, height, label, Markup("").join(parts), axis
    )


def _row(text: str, value: float | None, y: int, place: Callable[[float], float]) -> Markup:
    short = text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
    named = Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(_LABEL - 8, y + 16, short)
    if value is None:
        return named + Markup('<text x="{}" y="{}" class="quiet">no value</text>').format(_LABEL + 6, y + 16)
    left, right = sorted((place(0.0), place(float(value))))
    return named + Markup(
        '<rect x="{:.1f}" y="{}" width="{:.1f}" height="22" class="bar-fill"><title>{}: {}</title></rect>'
    ).format(left, y, max(1.0, right - left), text, f"{value:.6g}")


def _whisker(left: float, right: float, y: int) -> Markup:
    return Markup(
        '<path d="M{0:.1f},{2} H{1:.1f} M{0:.1f},{3} v10 M{1:.1f},{3} v10" class="whisker"/>'
    ).format(left, right, y, y - 5)
