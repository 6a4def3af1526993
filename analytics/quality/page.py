"""The score card as one HTML file with pictures, readable on a telephone: no script, no other file.

Layer:       analytics.quality.page, above score_card.
Guarantees:  every text is escaped; the page fits a width of 400 pixels. It holds counts of one site's rows, for that site's
             administrator, and says so.
Source:      ours. The three colours are those of Okabe and Ito, which stay apart for colour-blind readers; each bar's numbers
             stand beside it as text.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from analytics.quality.check import Dimension, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from analytics.quality.check import CheckResult
    from analytics.quality.score_card import ColumnCells, Score, ScoreCard

_WIDTH: Final = 360
_NAME: Final = 110
_BAR: Final = 190
_LINE: Final = 22
_COLOURS: Final = {"valid": "#0072B2", "invalid": "#D55E00", "missing": "#BBBBBB"}
_STYLE: Final = """
body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;max-width:52rem;padding:0 .8rem 2rem;color:#1a1a1a;background:#fff}
h1{font-size:1.4rem}h2{font-size:1.15rem;margin-top:1.8rem}p.note{color:#555;font-size:.9rem}
svg{width:100%;max-width:44rem;height:auto;display:block}
.scores{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.6rem}
.score{border:1px solid #ccc;border-radius:.4rem;padding:.5rem .7rem}.score b{display:block;font-size:1.5rem}
.check{border-left:.3rem solid #D55E00;padding:.1rem .7rem;margin:.9rem 0}.check.error{border-color:#882255}
.check p{margin:.2rem 0}pre{background:#f3f3f3;padding:.5rem;white-space:pre-wrap;font-size:.85rem;border-radius:.3rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem}
td,th{padding:.2rem .5rem;text-align:left;border-bottom:1px solid #ddd;vertical-align:top}
"""


def page_of(cards: Sequence[ScoreCard], *, made: str) -> str:
    """Write the page.

    Visible to: the site's administrator.

    Args:
        cards: of a site's tables.
        made: when, for the reader.
    """
    body = body_of(cards)
    note = f"Made {_text(made)}. It holds counts of this site's own rows: for its administrator, not for other members."
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Data quality</title><style>{_STYLE}</style></head>"
        f'<body><h1>Data quality</h1><p class="note">{note}</p>{body}</body></html>\n'
    )


def body_of(cards: Sequence[ScoreCard]) -> str:
    """Write the cards without the page around them: escaped HTML that needs no style of its own.

    Visible to: the site's administrator.

    Args:
        cards: of a site's tables.
    """
    return "".join(_card(card) for card in cards)


def _text(value: object) -> str:
    return html.escape(str(value))


def _card(card: ScoreCard) -> str:
    scores = "".join(_score(each.value, card.score(each)) for each in Dimension)
    failed = [each for each in card.results if each.state in {State.FAILED, State.ERROR}]
    faults = "".join(map(_fault, failed)) or "<p>No check failed.</p>"
    return (
        f"<h2>Table {_text(card.table)}</h2><p>{card.rows} rows of {_text(card.source)}</p>"
        f'<div class="scores">{scores}</div>'
        f"<h2>Columns of {_text(card.table)}</h2>{_picture(card.columns)}"
        f"<h2>What to repair in {_text(card.table)}</h2>{faults}"
        f"<h2>All checks of {_text(card.table)}</h2>{_table(card.results)}"
    )


def _score(name: str, score: Score) -> str:
    extra = f", {score.errors} with errors" if score.errors else ""
    if score.share is None:
        return f'<div class="score">{_text(name)}<b>–</b>no check applies{extra}</div>'
    shown = f"{score.passed} of {score.applicable}"
    return f'<div class="score">{_text(name)}<b>{shown}</b>checks passed{extra}</div>'


def _picture(columns: Sequence[ColumnCells]) -> str:
    """One bar a column: valid, invalid, missing."""
    if not columns:
        return "<p>No column could be read.</p>"
    height = _LINE * (len(columns) + 1) + 6
    bars = "".join(_bar(place, column) for place, column in enumerate(columns, start=1))
    legend, x = "", 0
    for name, colour in _COLOURS.items():
        legend += f'<rect x="{x}" y="2" width="11" height="11" fill="{colour}"/>'
        legend += f'<text x="{x + 15}" y="12">{name}</text>'
        x += 75
    title = "Share of valid, invalid and missing cells by column"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" font-size="11" font-family="sans-serif">'
        f"<title>{title}</title>{legend}{bars}</svg>"
        '<p class="note">The number beside a bar is the share of the rows that have a value.</p>'
    )


def _bar(place: int, column: ColumnCells) -> str:
    rows = column.valid + column.invalid + column.missing
    y, x, parts = place * _LINE, float(_NAME), ""
    for name, count in (("valid", column.valid), ("invalid", column.invalid), ("missing", column.missing)):
        width = _BAR * count / rows if rows else 0.0
        if count:
            parts += (
                f'<rect x="{x:.2f}" y="{y}" width="{width:.2f}" height="14" fill="{_COLOURS[name]}">'
                f"<title>{count} {name}</title></rect>"
            )
        x += width
    short = column.name if len(column.name) <= 17 else f"{column.name[:16]}…"  # noqa: PLR2004  what fits beside the bar
    known = "" if column.completeness is None else f"{100 * column.completeness:.1f} %"
    return (
        f'<text x="{_NAME - 6}" y="{y + 11}" text-anchor="end">{_text(short)}</text>{parts}'
        f'<text x="{_NAME + _BAR + 5}" y="{y + 11}">{known}</text>'
    )


def _fault(result: CheckResult) -> str:
    check = result.check
    where = f"{check.column}: " if check.column else ""
    kind = f"{check.type.category} {check.type.subcategory}".strip()
    if result.state is State.ERROR:
        found = f"could not be computed: {result.reason}"
    else:
        found = (
            f"{result.violating} of {result.rows} rows ({100 * (result.share or 0):.2f} %); "
            f"allowed are {100 * float(check.most):g} %"
        )
    repair = f"<pre>{_text(result.repair)}</pre>" if result.repair else ""
    return (
        f'<div class="check{" error" if result.state is State.ERROR else ""}">'
        f"<p><b>{_text(where + check.what)}</b></p><p>{_text(found)}</p>"
        f'<p class="note">{_text(check.type.name)}, {_text(kind)}, {_text(check.type.dimension.value)}</p>{repair}</div>'
    )


def _table(results: Iterable[CheckResult]) -> str:
    """All checks, folded; what a narrow screen may cut off stands last."""
    rows = "".join(
        f"<tr><td>{_text(each.check.column)}</td><td>{_text(each.state.value)}</td>"
        f"<td>{_text(each.reason) if each.share is None else f'{each.violating} of {each.rows}'}</td>"
        f"<td>{_text(each.check.what)}</td><td>{_text(each.check.type.name)}</td></tr>"
        for each in results
    )
    head = "<tr><th>column</th><th>state</th><th>rows</th><th>violating</th><th>check</th></tr>"
    table = f'<div class="wide"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
    return f"<details><summary>Show each check</summary>{table}</details>"
