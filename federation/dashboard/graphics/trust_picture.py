"""Who sees what, in one picture: sites keep rows, exchange shares, and the analyst alone gets the answer.

Layer:       federation.dashboard.graphics. Pure.
Guarantees:  drawn from the consortium file; the sentences beside it are those of ``federation.requests.trust``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

WIDTH: Final = 640
MOST: Final = 8
_STEP, _TOP, _BOX = 58, 34, 44
_LETTERS: Final = 22


def trust_picture(
    sites: Sequence[str], *, dealer: str, analyst: str, threshold: int, down: Collection[str] = ()
) -> Markup:
    """Draw the sites, the helper and the analyst.

    Args:
        sites: in their order.
        dealer: the helper that deals material; empty without one.
        analyst: who gets the answer.
        threshold: so many sites together learn nothing.
        down: nodes that do not answer.
    """
    shown = list(sites[:MOST])
    more = len(sites) - len(shown)
    rows = len(shown) + (1 if more > 0 else 0)
    height: float = max(_TOP + rows * _STEP + 8, 3 * _STEP + _TOP)
    middle = _TOP + (height - _TOP) / 2 - _BOX / 2
    below = middle + _BOX + 40
    if dealer:
        height = max(height, below + _BOX + 8)
    parts = [
        _heading(10, "sites: rows stay here"),
        _heading(268, "secret shares"),
        _heading(470, "the analyst"),
    ]
    for place, name in enumerate(shown):
        y = _TOP + place * _STEP
        parts.append(_box(10, y, name, "does not answer" if name in down else "keeps its rows", name in down))
        parts.append(
            Markup('<path d="M172,{:.1f} C230,{:.1f} 230,{:.1f} 262,{:.1f}" class="flow"/>').format(
                y + _BOX / 2, y + _BOX / 2, middle + _BOX / 2, middle + _BOX / 2
            )
        )
    if more > 0:
        parts.append(_heading(20, f"and {more} more", _TOP + len(shown) * _STEP + 22))
    parts.append(
        Markup('<rect x="262" y="{:.1f}" width="150" height="{}" rx="8" class="joint"/>').format(
            middle - 10, _BOX + 20
        )
    )
    parts.append(_centred(337, middle + 16, "computed jointly"))
    parts.append(_centred(337, middle + 36, f"any {threshold} learn nothing", "quiet"))
    parts.append(
        Markup('<path d="M412,{0:.1f} H464 m-8,-5 l8,5 l-8,5" class="flow"/>').format(middle + _BOX / 2)
    )
    parts.append(_box(466, middle, analyst, "gets the answer", is_down=False))
    if dealer:
        text = "does not answer" if dealer in down else "deals; sees no row"
        parts.append(_box(256, below, dealer, text, dealer in down))
        parts.append(
            Markup('<path d="M337,{:.1f} V{:.1f}" class="flow dashed"/>').format(below, middle + _BOX + 10)
        )
    label = (
        f"Trust model: the sites {', '.join(sites)} keep their rows and exchange secret shares; any {threshold} of "
        f"them together learn nothing; {analyst} alone gets the answer"
        + (f"; {dealer} deals random material and sees no row" if dealer else "")
    )
    return Markup(
        '<svg viewBox="0 0 {} {:.0f}" role="img" aria-label="{}" class="chart trust">{}</svg>'
    ).format(WIDTH, height, label, Markup("").join(parts))


def _heading(x: float, text: str, y: float = 18) -> Markup:
    return Markup('<text x="{}" y="{:.1f}" class="quiet">{}</text>').format(x, y, text)


def _centred(x: float, y: float, text: str, kind: str = "") -> Markup:
    return Markup('<text x="{}" y="{:.1f}" text-anchor="middle" class="{}">{}</text>').format(
        x, y, kind, text
    )


def _box(x: float, y: float, name: str, text: str, is_down: bool) -> Markup:
    short = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
    return Markup(
        '<g><title>{4}</title><rect x="{0}" y="{1:.1f}" width="162" height="{2}" rx="6" class="{3}"/></g>'
    ).format(x, y, _BOX, "node down" if is_down else "node", name) + Markup(
        '<text x="{0}" y="{1:.1f}" class="strong">{2}</text><text x="{0}" y="{3:.1f}" class="quiet">{4}</text>'
    ).format(x + 10, y + 19, short, y + 36, text)
