"""What a request asks, in one line for people: the SQL text, the statistic, the items to be mined, the task.

Layer:       federation.requests.question_text. Pure; reads the request's own bytes alone, plans nothing.
Guarantees:  every parameter of the request is in its line, in the request's own words. The words are the analyst's:
             who prints them replaces what could steer a terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from federation.protocol.request import Request


def question_text(request: Request) -> str:
    """Return what a request asks in one line."""
    question = request.question
    if set(question) == {"sql"}:
        return " ".join(str(question["sql"]).split())
    if set(question) == {"statistic", "table", "arguments"} and isinstance(question["arguments"], dict):
        named = _listed(question["arguments"])
        return f"{_shown(question['statistic'])}({named}) of {_shown(question['table'])}"
    return f"{request.kind}: {_listed(question)}"


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} = {_shown(value)}" for name, value in sorted(values.items()) if value is not None
    )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return f"{{{_listed(value)}}}"
    return " ".join(str(value).split())
