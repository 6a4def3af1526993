"""Association rules as a graph: items on a circle, an arrow for each rule.

Layer:       federation.dashboard.graphics. Pure.
Guarantees:  rules of one item on each side are drawn, the strongest first; the table has all of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from analytics.mining.result import MiningResult

WIDTH: Final = 640
HEIGHT: Final = 420
MOST_RULES: Final = 30
_RADIUS_X, _RADIUS_Y, _BOX_X, _BOX_Y = 225.0, 165.0, 74.0, 15.0
_LETTERS: Final = 18
_WIDEST: Final = 5.0


def rule_graph(result: MiningResult) -> Markup | None:
    """Draw the rules; None where there is none to draw.

    Args:
        result: of a mining run.
    """
    rules = [
        rule for rule in result.found_rules if len(rule.antecedents) == 1 and len(rule.consequents) == 1
    ][:MOST_RULES]
    if not rules:
        return None
    items = sorted({name for rule in rules for name in (*rule.antecedents, *rule.consequents)})
    at = {name: _place(number, len(items)) for number, name in enumerate(items)}
    most = max(rule.measures["lift"] for rule in rules) or 1.0
    arrows = Markup("").join(
        _arrow(
            at[rule.antecedents[0]],
            at[rule.consequents[0]],
            width=max(1.0, _WIDEST * rule.measures["lift"] / most),
            text=(
                f"{rule.antecedents[0]} → {rule.consequents[0]}: confidence {rule.measures['confidence']:.2f}, "
                f"lift {rule.measures['lift']:.2f}"
            ),
        )
        for rule in rules
    )
    nodes = Markup("").join(_node(name, place) for name, place in at.items())
    label = f"Graph of {len(rules)} rules between {len(items)} items; a thicker arrow has a larger lift"
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}" class="chart">{}{}</svg>').format(
        WIDTH, HEIGHT, label, arrows, nodes
    )


def _place(number: int, of: int) -> tuple[float, float]:
    angle = 2 * math.pi * number / of - math.pi / 2
    return WIDTH / 2 + _RADIUS_X * math.cos(angle), HEIGHT / 2 + _RADIUS_Y * math.sin(angle)


def _arrow(start: tuple[float, float], end: tuple[float, float], *, width: float, text: str) -> Markup:
    """A curve that bends to one side, so that a rule and its converse stay apart, with a head where the box begins."""
    (x0, y0), (x1, y1) = start, end
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    reach = min(_BOX_X / abs(ux) if ux else math.inf, _BOX_Y / abs(uy) if uy else math.inf) + 4
    tip = (x1 - ux * reach, y1 - uy * reach)
    middle = ((x0 + tip[0]) / 2 - uy * 18, (y0 + tip[1]) / 2 + ux * 18)
    head = [
        (tip[0] - ux * 11 - uy * 5, tip[1] - uy * 11 + ux * 5),
        tip,
        (tip[0] - ux * 11 + uy * 5, tip[1] - uy * 11 - ux * 5),
    ]
    return Markup(
        '<g><title>{}</title><path d="M{:.1f},{:.1f} Q{:.1f},{:.1f} {:.1f},{:.1f}" class="arrow" stroke-width="{:.1f}"/>'
        '<path d="M{:.1f},{:.1f} L{:.1f},{:.1f} L{:.1f},{:.1f} Z" class="arrow-head"/></g>'
    ).format(text, x0, y0, *middle, *tip, width, *head[0], *head[1], *head[2])


def _node(name: str, place: tuple[float, float]) -> Markup:
    short = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
    return Markup(
        '<g><title>{5}</title><rect x="{0:.1f}" y="{1:.1f}" width="{2}" height="{3}" rx="6" class="node"/>'
        '<text x="{4:.1f}" y="{6:.1f}" text-anchor="middle">{7}</text></g>'
    ).format(
        place[0] - _BOX_X,
        place[1] - _BOX_Y,
        2 * _BOX_X,
        2 * _BOX_Y,
        place[0],
        name,
        place[1] + 5,
        short,
    )
