"""Small tables as text, as HTML and as LaTeX, for a Python prompt, a notebook and a paper.

Layer:       analytics.text_tables, beside errors; imports nothing of this product.
Guarantees:  cells are shown literally: HTML and LaTeX are escaped and characters that do not print are replaced. Long tables are
             cut after ``MOST_ROWS`` rows, and say so.
See instead: tables of the command line (``federation.display.terminal``).
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ROWS: Final = 40


def cell_text(value: object) -> str:
    """Return one cell: NA for None, six digits of a float, lower-case booleans."""
    if value is None:
        return "NA"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def listed(values: Sequence[object], most: int = 30) -> str:
    """Return values in one line, at most so many, and how many more there are."""
    more = len(values) - most
    return ", ".join(map(cell_text, values[:most])) + (f" and {more} more" if more > 0 else "")


def as_text(names: Sequence[str], rows: Sequence[Sequence[object]], notes: Sequence[str] = ()) -> str:
    """Return a table for a terminal, its columns aligned.

    Args:
        names: of the columns.
        rows: cells in the order of the columns.
        notes: lines below the table; empty ones are left out.
    """
    cells = [[cell_text(name) for name in names]] + [
        [cell_text(cell) for cell in row] for row in rows[:MOST_ROWS]
    ]
    widths = [max(len(row[place]) for row in cells) for place in range(len(names))]
    lines = ["  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in cells]
    return "\n".join([*lines, *_cut(rows), *filter(None, map(cell_text, notes))])


def as_html(names: Sequence[str], rows: Sequence[Sequence[object]], notes: Sequence[str] = ()) -> str:
    """Return a table for a notebook; arguments as ``as_text``."""
    head = "".join(f"<th>{html.escape(cell_text(name))}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell_text(cell))}</td>" for cell in row) + "</tr>"
        for row in rows[:MOST_ROWS]
    )
    below = "".join(
        f"<div>{html.escape(text)}</div>" for text in [*_cut(rows), *filter(None, map(cell_text, notes))]
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"


def as_latex(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a whole table as a LaTeX ``tabular``; arguments as ``as_text``."""
    head, *body = [
        " & ".join(_latex("" if cell is None else cell_text(cell)) for cell in row) + r" \\"
        for row in [names, *rows]
    ]
    parts = [rf"\begin{{tabular}}{{{'l' * len(names)}}}", r"\hline", head, r"\hline", *body, r"\hline"]
    return "\n".join([*parts, r"\end{tabular}"])


def _latex(text: str) -> str:
    for sign, escaped in (("\\", r"\textbackslash "), *((sign, f"\\{sign}") for sign in "&%$#_{}")):
        text = text.replace(sign, escaped)
    text = text.replace("~", r"\textasciitilde ").replace("^", r"\textasciicircum ")
    return text.replace("<", "$<$").replace(">", "$>$")


def as_block(text: str) -> str:
    """Return text with its line breaks for a notebook."""
    return f"<pre>{html.escape(text)}</pre>"


def _cut(rows: Sequence[object]) -> list[str]:
    more = len(rows) - MOST_ROWS
    return [f"and {more} more rows; frame has all"] if more > 0 else []
