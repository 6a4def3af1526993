"""One line over the rounds of a training.

Layer:       federation.dashboard.graphics. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 640
HEIGHT: Final = 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 16, 14, 34


def line_chart(points: Sequence[tuple[float, float]], *, last: float, name: str, label: str) -> Markup:
    """Draw points as one line.

    Args:
        points: places and heights, by rising place.
        last: right end of the axis.
        name: of the heights.
        label: the text alternative.
    """
    if not points:
        return Markup("")
    heights = [y for _, y in points]
    low, high = min(0.0, *heights), max(heights)
    span, end = (high - low) or 1.0, max(last, 1.0)

    def at(x: float, y: float) -> str:
        left = _LEFT + (WIDTH - _LEFT - _RIGHT) * x / end
        return f"{left:.1f},{HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (y - low) / span:.1f}"

    path = "M" + " L".join(at(x, y) for x, y in points)
    grid = Markup("").join(
        Markup(
            '<path d="M{} H{}" class="grid"/><text x="{}" y="{}" text-anchor="end" class="quiet">{}</text>'
        ).format(
            at(0, low + span * part),
            WIDTH - _RIGHT,
            _LEFT - 8,
            float(at(0, low + span * part).split(",")[1]) + 4,
            f"{low + span * part:.3g}",
        )
        for part in (0.0, 0.5, 1.0)
    )
    dot = at(*points[-1]).split(",")
    return Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}" class="chart">{}<path d="{}" class="line"/>'
        '<circle cx="{}" cy="{}" r="4" class="dot"/><text x="{}" y="{}" text-anchor="middle" class="quiet">{}</text>'
        "</svg>"
    ).format(
        WIDTH,
        HEIGHT,
        label,
        grid,
        path,
        *dot,
        WIDTH / 2,
        HEIGHT - 8,
        f"{name} over rounds 0 to {end:g}",
    )
