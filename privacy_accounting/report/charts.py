"""Charts as inline SVG: spend over time in stacked steps, and the remainder as a bar.

Layer:       privacy_accounting.report, beside ``figures``. Pure.
Guarantees:  names are escaped; nothing is fetched, nothing runs; each series differs in lightness and in its label,
             so that the page can be printed in black and white; the picture has a text alternative.
See instead: which figures (``figures``), the page (``page``).
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privacy_accounting.report.figures import Curve

WIDTH: Final = 720
HEIGHT: Final = 250
DAY_S: Final = 86_400
FEW_MINUTES_S: Final = 600
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 168, 40, 34
_EXACT_ROW, _REFUSED_ROW = 6, 22
_PAD: Final = 25
"""The time axis ends a 25th of its length after the last entry, so that the last step has a width."""
_FILLS: Final = ("#16425b", "#2f8f9d", "#e09f3e", "#9e2a2b", "#8d99ae", "#d8c99b")
OTHERS: Final = "all others"
MAX_SERIES: Final = len(_FILLS)
_LABEL: Final = 20
_DIAMOND: Final = Markup(
    '<path d="M{:.1f},{} l5,5 l-5,5 l-5,-5 Z" class="exact"><title>exact disclosure</title></path>'
)
_CROSS: Final = Markup(
    '<path d="M{:.1f},{} m-4,1 l8,8 m0,-8 l-8,8" class="refused"><title>refused</title></path>'
)


def fills(curve: Curve) -> list[tuple[str, str, float]]:
    """Name, color and last value of each series as drawn, the largest first; small ones are summed."""
    return [(name, color, values[-1]) for name, color, values in _series(curve)]


def _series(curve: Curve) -> list[tuple[str, str, list[float]]]:
    ranked = sorted(curve.totals.items(), key=lambda item: (-item[1][-1], item[0]))
    shown = ranked if len(ranked) <= MAX_SERIES else ranked[: MAX_SERIES - 1]
    rest = ranked[len(shown) :]
    result = [(name, _FILLS[place], list(values)) for place, (name, values) in enumerate(shown)]
    if rest:
        summed = [math.fsum(values) for values in zip(*(values for _, values in rest), strict=True)]
        result.append((OTHERS, _FILLS[-1], summed))
    return result


def spend_chart(
    curve: Curve, *, first: int, last: int, exact: Sequence[int], refused: Sequence[int], label: str
) -> Markup:
    """Draw a sub-budget's spend over time.

    Args:
        curve: totals under their names, as parts of the allowance.
        first: left end of the time axis, seconds since 1970.
        last: right end.
        exact: times of exact disclosures, drawn as diamonds.
        refused: times of refusals, drawn as crosses.
        label: the text alternative.
    """
    last = max(last, first + 1)
    end = last + max(1, (last - first) // _PAD)
    series, top = _series(curve), _ceiling(curve)
    parts = [_frame(top, first, last, end)]
    below = [0.0] * len(curve.times)
    for name, color, values in series:
        above = [low + value for low, value in zip(below, values, strict=True)]
        area = _area(curve.times, below, above, (first, end), top)
        title = Markup("<title>{}: {}</title>").format(name, f"{values[-1]:.1%}")
        parts.append(
            Markup('<path d="{}" fill="{}" stroke="#fff" stroke-width=".6">{}</path>').format(
                area, color, title
            )
        )
        below = above
    parts += [_limit(top), *_marks(exact, refused, first, end), *_legend(series)]
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}" class="chart">{}</svg>').format(
        WIDTH, HEIGHT, label, Markup("").join(parts)
    )


def _ceiling(curve: Curve) -> float:
    """Choose the top of the vertical axis: a round part of the allowance above the total, at most 1."""
    total = sum(values[-1] for values in curve.totals.values()) if curve.times else 0.0
    peak = max((sum(v[i] for v in curve.totals.values()) for i in range(len(curve.times))), default=total)
    return next((top for top in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if peak <= top * 0.95), max(1.0, peak))


def _x(time: float, first: int, last: int) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * (time - first) / (last - first)


def _y(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / top


def _area(
    times: Sequence[int], below: Sequence[float], above: Sequence[float], span: tuple[int, int], top: float
) -> str:
    """Give the path of one stacked step area."""
    first, last = span
    ends = [*times[1:], last]
    upper, lower = list[str](), list[str]()
    for start, end, low, high in zip(times, ends, below, above, strict=True):
        left, right = _x(start, first, last), _x(end, first, last)
        upper += [f"{left:.1f},{_y(high, top):.1f}", f"{right:.1f},{_y(high, top):.1f}"]
        lower += [f"{left:.1f},{_y(low, top):.1f}", f"{right:.1f},{_y(low, top):.1f}"]
    return "M" + " L".join([*upper, *reversed(lower)]) + "Z" if upper else ""


def _frame(top: float, first: int, last: int, end: int) -> Markup:
    lines = []
    for step in range(5):
        value = top * step / 4
        y = _y(value, top)
        lines.append(
            Markup(
                '<line x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}" class="grid"/>'
                '<text x="{3}" y="{4:.1f}" class="tick" text-anchor="end">{5}</text>'
            ).format(_LEFT, WIDTH - _RIGHT, y, _LEFT - 6, y + 4, f"{100 * value:.4g} %")
        )
    for part, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        moment = first + (last - first) * part
        x = round(_x(moment, first, end), 1)
        lines.append(
            Markup('<text x="{}" y="{}" class="tick" text-anchor="{}">{}</text>').format(
                x, HEIGHT - 14, anchor, _moment(moment, last - first)
            )
        )
    return Markup("").join(lines)


def _moment(time: float, span: float) -> str:
    moment = datetime.fromtimestamp(time, UTC)
    if span > 3 * DAY_S:
        return moment.strftime("%Y-%m-%d")
    return moment.strftime("%Y-%m-%d %H:%M" if span > FEW_MINUTES_S else "%H:%M:%S")


def _limit(top: float) -> Markup:
    if top < 1:
        return Markup("")
    y = _y(1.0, top)
    return Markup('<line x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}" class="limit"/>').format(
        _LEFT, WIDTH - _RIGHT, y
    )


def _marks(exact: Sequence[int], refused: Sequence[int], first: int, last: int) -> list[Markup]:
    shown = []
    for template, row, times in ((_DIAMOND, _EXACT_ROW, exact), (_CROSS, _REFUSED_ROW, refused)):
        places = sorted({round(_x(time, first, last), 0) for time in times if first <= time <= last})
        shown += [template.format(x, row) for x in places]
    return shown


def _legend(series: Sequence[tuple[str, str, list[float]]]) -> list[Markup]:
    """List the series from the top of the stack down, so that shades of gray are found by their order."""
    rows = []
    for place, (name, color, values) in enumerate(reversed(series)):
        y = _TOP + 8 + 31 * place
        short = name if len(name) <= _LABEL else name[: _LABEL - 1] + "…"
        rows.append(
            Markup(
                '<rect x="{}" y="{}" width="11" height="11" fill="{}"/><text x="{}" y="{}" class="name">{}'
                '<title>{}</title></text><text x="{}" y="{}" class="tick">{}</text>'
            ).format(
                WIDTH - _RIGHT + 12,
                y - 9,
                color,
                WIDTH - _RIGHT + 28,
                y,
                short,
                name,
                WIDTH - _RIGHT + 28,
                y + 14,
                f"{values[-1]:.2%}",
            )
        )
    return rows


def left_bar(fraction: float, label: str) -> Markup:
    """Draw what is spent (dark) and left (light) of an allowance."""
    spent = min(1.0, max(0.0, fraction)) * 400
    return Markup(
        '<svg viewBox="0 0 400 16" preserveAspectRatio="none" role="img" aria-label="{}" class="bar">'
        '<rect x=".5" y=".5" width="399" height="15" class="left"/>'
        '<rect x="0" y="0" width="{:.2f}" height="16" class="spent"/></svg>'
    ).format(label, spent)
