"""Questions in SQL and statistics by their names: the form, the price beside it, the confirmation.

Layer:       federation.dashboard.pages.
Guarantees:  a question is asked only by confirming a price that was shown, and once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse
from starlette.routing import Route

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import REQUIRED
from analytics.statistics.register import register
from analytics.statistics.registry import STATISTICS
from crossward.base_error import CrosswardError
from federation.client.questions.written_value import read_value
from federation.dashboard.questions import PURPOSE, SqlQuestion, StatisticQuestion
from federation.dashboard.rendering import form_of, is_fragment, page, state_of
from federation.display.error_text import sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from federation.dashboard.form_fields import Fields
    from federation.dashboard.questions import Question

PRIVATE, WITHIN, EXACT = "private", "within", "exact"


def routes() -> list[Route]:
    """Return the routes."""
    return [
        Route("/ask", show, methods=["GET", "POST"]),
        Route("/ask/statistics", statistics),
        Route("/ask/statistics/{name}", show_statistic, methods=["GET", "POST"]),
        Route("/run", run, methods=["POST"]),
    ]


def show(request: Request) -> Response:
    """The form of SQL; of a POST with the price of what it holds."""
    fields = form_of(request)
    tables = state_of(request).session.tables
    return priced_page(request, "ask", sql_question, fields=fields, tables=tables, columns=tables.rows())


def statistics(request: Request) -> Response:
    """The list of statistics."""
    entries = [entry for entry in register() if entry.name in STATISTICS]
    wanted = form_of(request).text("search").lower()
    shown = [each for each in entries if wanted in f"{each.name} {each.summary}".lower()]
    return page(request, "statistics", entries=shown, search=wanted, in_all=len(entries))


def show_statistic(request: Request) -> Response:
    """The form of one statistic; of a POST with the price of what it holds."""
    name = request.path_params["name"]
    if name not in STATISTICS:
        return page(
            request, "problem", status=404, title="No such statistic", problem="the list has all of them"
        )
    found = STATISTICS[name]
    tables = state_of(request).session.tables
    return priced_page(
        request,
        "statistic",
        lambda fields: statistic_question(name, fields),
        name=name,
        fields=form_of(request),
        summary=found.summary,
        modes=found.modes,
        parameters=[
            {
                "name": each.name,
                "meaning": each.meaning,
                "default": "" if each.default is REQUIRED else _shown(each.default),
                "is_required": each.default is REQUIRED,
            }
            for each in found.parameters
        ],
        tables=tables,
        columns=tables.rows(),
    )


def priced_page(
    request: Request, template: str, read: Callable[[Fields], Question], **values: Any
) -> Response:
    """Show a form, and of a POST the price of its question; htmx gets the price alone."""
    shown: dict[str, Any] = {"price": None, "key": "", "problem": "", "title": ""}
    status = 200
    if request.method == "POST":
        try:
            question = read(form_of(request))
            shown["price"] = price = question.price(state_of(request).session)
            shown["title"] = question.title
            if price.can_run:
                shown["key"] = state_of(request).keep_price(question, price)
        except CrosswardError as error:
            shown["problem"] = sentence(error)
            # htmx shows no answer but a good one
            status = 200 if is_fragment(request) else 422
    if is_fragment(request):
        return page(request, "parts/price", **shown)
    back = request.url.path
    answers = state_of(request).answers(back)
    return page(request, template, status=status, answers=answers, **shown, **values)


def sql_question(fields: Fields) -> SqlQuestion:
    """Read the form of SQL.

    Raises:
        InvalidRequestError: a field holds no number, or there is no question.
    """
    text, mode = fields.text("sql"), fields.text("mode", PRIVATE)
    if not text:
        raise InvalidRequestError(parameter="question", reason="is empty: write one SELECT over one table")
    common: dict[str, Any] = {
        "text": text,
        "purpose": fields.text("purpose") or PURPOSE,
        "mechanism": "" if mode == EXACT else fields.text("mechanism"),
        "fresh": mode != EXACT and fields.has("fresh"),
    }
    if mode == EXACT:
        return SqlQuestion(exact=True, **common)
    if mode == WITHIN:
        within = fields.decimal("within", "within")
        if within is None:
            raise InvalidRequestError(parameter="within", reason="must be given for a wanted accuracy")
        return SqlQuestion(
            within=within,
            confidence=fields.decimal("confidence", "confidence"),
            expected_units=fields.whole("expected_units", "expected units"),
            **common,
        )
    return SqlQuestion(epsilon=fields.decimal("epsilon", "epsilon"), **common)


def statistic_question(name: str, fields: Fields) -> StatisticQuestion:
    """Read the form of a statistic; an empty argument keeps its default.

    Raises:
        InvalidRequestError: the epsilon is no number.
    """
    given = {
        each.name: read_value(text)
        for each in STATISTICS[name].parameters
        if (text := fields.text(f"argument.{each.name}"))
    }
    is_exact = fields.text("mode", PRIVATE) == EXACT
    return StatisticQuestion(
        name=name,
        table=fields.text("table"),
        arguments=given,
        epsilon=None if is_exact else fields.decimal("epsilon", "epsilon"),
        exact=is_exact,
        mechanism="" if is_exact else fields.text("mechanism"),
        purpose=fields.text("purpose") or PURPOSE,
    )


def run(request: Request) -> Response:
    """Ask what a price was shown for, once; then show the answer under an address of its own."""
    state = state_of(request)
    found = state.take_price(form_of(request).text("key"))
    if found is None:
        problem = "this price was confirmed before, or is too old; nothing was asked this time"
        return page(request, "problem", status=409, title="Nothing was asked", problem=problem)
    question, price = found
    try:
        answer = question.run(state.session, price)
    except CrosswardError as error:
        state.note_refusal(question.title, error)
        return page(
            request,
            "problem",
            status=422,
            title="No answer",
            problem=sentence(error),
            question=question.title,
            back=question.back,
        )
    return RedirectResponse(f"/answers/{state.keep_answer(question, answer).key}", 303)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
