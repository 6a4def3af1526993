"""An answer: its table, chart, cost, and the files that hold it.

Layer:       federation.dashboard.pages.
Guarantees:  files have the content of ``--csv`` and ``--json``.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from analytics.errors import InvalidRequestError
from analytics.mining.result import MiningResult
from analytics.pictures import Bars, draw
from analytics.results.result import Result
from crossward.base_error import CrosswardError
from federation.dashboard.graphics.bar_chart import bar_chart
from federation.dashboard.graphics.rule_graph import rule_graph
from federation.dashboard.rendering import page, state_of
from federation.display.answer_parts import result_lines, result_table, statistic_lines, statistic_table
from federation.display.error_text import sentence
from federation.display.terminal import exact_lines, left_line, secrecy_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup
    from starlette.requests import Request

    from analytics.pictures import Picture
    from federation.dashboard.state import Asked

MOST_ROWS = 500
MEASURES = ("support", "confidence", "lift", "leverage", "conviction")


def routes() -> list[Route]:
    """Return the routes; those with an ending come first."""
    return [
        Route("/answers/{key}.csv", as_csv),
        Route("/answers/{key}.json", as_json),
        Route("/answers/{key}/picture.png", picture),
        Route("/answers/{key}", show),
    ]


def show(request: Request) -> Response:
    """The page of one answer."""
    asked = _asked(request)
    if asked is None:
        return _gone(request)
    parts = _parts(asked.answer)
    shown = _picture(asked.answer)
    chart: Markup | None = None
    caption = ""
    if isinstance(asked.answer, MiningResult):
        chart, caption = (
            rule_graph(asked.answer),
            "Rules of one item on each side; a thicker arrow has a larger lift.",
        )
    elif isinstance(shown, Bars) and len(shown.series) == 1 and len(shown.labels) > 0:
        chart = bar_chart(shown, f"{shown.y_name} by {shown.x_name or 'answer'}; the table has the figures")
        caption = f"{shown.y_name}{f' by {shown.x_name}' if shown.x_name else ''}"
        caption += "; lines show the 95 % interval of the noise" if shown.low else ""
    return page(
        request,
        "answer",
        asked=asked,
        chart=chart,
        caption=caption,
        has_picture=chart is None and shown is not None and _has_matplotlib(),
        left=_left(request, asked.answer),
        **parts,
    )


def as_csv(request: Request) -> Response:
    """The answer as CSV."""
    asked = _asked(request)
    if asked is None:
        return _gone(request)
    answer = asked.answer
    names, rows = answer.spreadsheet() if isinstance(answer, Result | MiningResult) else answer.cells()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return _file(text.getvalue(), "text/csv; charset=utf-8", "answer.csv")


def as_json(request: Request) -> Response:
    """The answer as JSON."""
    asked = _asked(request)
    if asked is None:
        return _gone(request)
    answer = {"question": asked.question.title, **asked.answer.to_dict()}
    text = json.dumps(answer, indent=1, sort_keys=True, default=str)
    return _file(text, "application/json", "answer.json")


def picture(request: Request) -> Response:
    """The picture of a statistic, drawn with matplotlib."""
    asked = _asked(request)
    shown = None if asked is None else _picture(asked.answer)
    if shown is None:
        return _gone(request)
    data = io.BytesIO()
    draw(shown).figure.savefig(data, format="png", dpi=160)  # type: ignore[union-attr]
    return Response(data.getvalue(), media_type="image/png")


def _asked(request: Request) -> Asked | None:
    return state_of(request).answer(request.path_params["key"])


def _gone(request: Request) -> Response:
    problem = "this answer is not kept any more; the ledger has its entry, and asking the same again is free from your store"
    return page(request, "problem", status=404, title="No such answer", problem=problem)


def _file(text: str, kind: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text.encode("utf-8"), headers=headers, media_type=kind)


def _parts(answer: Any) -> Mapping[str, Any]:
    """Names, rows and lines of an answer."""
    if isinstance(answer, Result):
        names, rows = result_table(answer)
        return _shown(names, rows, [], result_lines(answer))
    if isinstance(answer, MiningResult):
        rows = [
            [
                ", ".join(rule.antecedents),
                ", ".join(rule.consequents),
                *(f"{rule.measures[name]:.3f}" for name in MEASURES),
            ]
            for rule in answer.found_rules
        ]
        n_rows = "a suppressed number of" if answer.n_rows is None else answer.n_rows
        lines = [f"{len(answer.found)} frequent itemsets and {len(rows)} rules of {n_rows} rows"]
        below = [*exact_lines(answer.receipt), secrecy_line(answer.receipt)]
        return _shown(["if", "then", *MEASURES], rows, lines, [line for line in below if line])
    names, rows = statistic_table(answer)
    return _shown(names, rows, answer.lines(), statistic_lines(answer))


def _shown(names: list[str], rows: list[list[str]], lines: list[str], below: list[str]) -> dict[str, Any]:
    return {
        "names": names,
        "rows": rows[:MOST_ROWS],
        "n_more": max(0, len(rows) - MOST_ROWS),
        "lines": lines,
        "below": below,
    }


def _picture(answer: Any) -> Picture | None:
    if isinstance(answer, MiningResult):
        return None
    if isinstance(answer, Result):
        try:
            return answer.picture()
        except InvalidRequestError:  # no column of figures
            return None
    found: Picture | None = None if answer.closed else answer.picture()
    return found


def _has_matplotlib() -> bool:
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def _left(request: Request, answer: Any) -> str:
    if isinstance(answer, MiningResult):
        return ""
    try:
        return left_line(answer, state_of(request).session.budget_rows())
    except CrosswardError as error:
        return f"what is left could not be asked: {sentence(error)}"
