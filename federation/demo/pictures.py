"""The demo page's pictures: bars with intervals and a budget gauge, as inline SVG that prints well.

Layer:       federation.demo.pictures. Pure: numbers in, text out.
See instead: the page around them (``federation.demo.page``).
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROW_PX = 26
LABEL_PX = 170
PLOT_PX = 420
VALUE_PX = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One labelled figure; ``low`` and ``high`` end its interval, None where the answer is exact."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None


def bars(title: str, unit: str, items: Sequence[Bar]) -> str:
    """Draw horizontal bars from zero with 95 % intervals.

    Args:
        title: what the figure shows; read out by screen readers.
        unit: printed after each value.
        items: the bars, top to bottom; a value of None is drawn as "suppressed".

    Returns:
        An ``<svg>`` element.
    """
    tops = [n for item in items for n in (item.value, item.high) if n is not None]
    top = max([*tops, 0.0]) or 1.0
    height = ROW_PX * len(items) + 10
    width = LABEL_PX + PLOT_PX + VALUE_PX
    rows = "".join(_row(item, index, top, unit) for index, item in enumerate(items))
    return (
        f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f"<title>{escape(title)}</title>"
        f'<line class="axis" x1="{LABEL_PX}" y1="0" x2="{LABEL_PX}" y2="{height - 6}"/>{rows}</svg>'
    )


def gauge(label: str, fraction: float) -> str:
    """Draw how much of an allowance is spent.

    Args:
        label: the allowance's name.
        fraction: spent part, 0 to 1.

    Returns:
        An ``<svg>`` element.
    """
    part = min(max(fraction, 0.0), 1.0)
    said = f"{escape(label)}: {part:.1%} spent"
    return (
        f'<svg role="img" aria-label="{said}" viewBox="0 0 300 40" width="300" height="40">'
        f'<text x="0" y="14">{said}</text><rect class="allowance" x="0" y="22" width="300" height="14" rx="3"/>'
        f'<rect class="spent" x="0" y="22" width="{300 * part:.1f}" height="14" rx="3"/></svg>'
    )


def _row(item: Bar, index: int, top: float, unit: str) -> str:
    middle = index * ROW_PX + ROW_PX / 2
    label = f'<text class="label" x="{LABEL_PX - 8}" y="{middle + 4}" text-anchor="end">{escape(item.label)}</text>'
    if item.value is None:
        return f'{label}<text class="none" x="{LABEL_PX + 6}" y="{middle + 4}">suppressed</text>'
    scale = PLOT_PX / top
    length = max(item.value, 0.0) * scale
    bar = f'<rect class="bar" x="{LABEL_PX}" y="{middle - 8}" width="{length:.1f}" height="16"/>'
    text = f"{item.value:,.4g}{unit}"
    whisker, end = "", length
    if item.low is not None and item.high is not None:
        left, right = (LABEL_PX + max(bound, 0.0) * scale for bound in (item.low, item.high))
        end = max(length, right - LABEL_PX)
        text += f" ± {(item.high - item.low) / 2:,.2g}"
        whisker = (
            f'<line class="interval" x1="{left:.1f}" y1="{middle}" x2="{right:.1f}" y2="{middle}"/>'
            f'<line class="interval" x1="{left:.1f}" y1="{middle - 5}" x2="{left:.1f}" y2="{middle + 5}"/>'
            f'<line class="interval" x1="{right:.1f}" y1="{middle - 5}" x2="{right:.1f}" y2="{middle + 5}"/>'
        )
    value = f'<text class="value" x="{LABEL_PX + end + 8:.1f}" y="{middle + 4}">{escape(text)}</text>'
    return label + bar + whisker + value
