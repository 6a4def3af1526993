"""Association rules: the form, what a run opens, the confirmation; an answer has its page.

Layer:       federation.dashboard.pages.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from analytics.errors import InvalidRequestError
from analytics.mining.request import DEFAULT_CANDIDATES, MiningRequest
from analytics.schema import BooleanColumn, CategoricalColumn
from federation.dashboard.pages.ask import priced_page
from federation.dashboard.questions import PURPOSE, MiningQuestion
from federation.dashboard.rendering import form_of, state_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from analytics.schema import Table
    from federation.dashboard.form_fields import Fields

MOST_VALUES = 12


def routes() -> list[Route]:
    """Return the routes."""
    return [Route("/mining", show, methods=["GET", "POST"])]


def show(request: Request) -> Response:
    """The form; of a POST with what its run would cost."""
    fields = form_of(request)
    tables = state_of(request).session.tables
    suggested = {name: _items(table) for name, table in tables.items()}
    return priced_page(
        request,
        "mining",
        mining_question,
        fields=fields,
        tables=tables,
        columns=tables.rows(),
        suggested=suggested,
        chosen=fields.all("item"),
    )


def mining_question(fields: Fields) -> MiningQuestion:
    """Read the form.

    Raises:
        InvalidRequestError: a field cannot be read.
    """
    written = [each.strip() for each in fields.text("items").replace("\n", ",").split(",")]
    table = fields.text("table")
    checked = [
        name for each in fields.all("item") for where, _, name in [each.partition(":")] if where == table
    ]
    items = list(dict.fromkeys([*checked, *filter(None, written)]))
    if not items:
        raise InvalidRequestError(parameter="items", reason="are missing: choose or write at least two")
    options: dict[str, Any] = {
        "min_support": _share(fields, "min_support", "smallest support", "0.1"),
        "min_confidence": _share(fields, "min_confidence", "smallest confidence", "0.5"),
        "max_len": fields.whole("max_len", "most items"),
        "max_candidates": fields.whole("max_candidates", "most candidates") or DEFAULT_CANDIDATES,
    }
    return MiningQuestion(
        request=MiningRequest(table=table, items=tuple(items), **options),
        purpose=fields.text("purpose") or PURPOSE,
    )


def _share(fields: Fields, name: str, label: str, usual: str) -> Fraction:
    return fields.decimal(name, label) or Fraction(usual)


def _items(table: Table) -> list[str]:
    """Items that a person may tick: values of exact dimensions; other items can be written."""
    found = list[str]()
    for name in table.exact_dimensions:
        column = table.columns.get(name)
        if isinstance(column, BooleanColumn):
            found.append(name)
        elif isinstance(column, CategoricalColumn) and len(column.domain) <= MOST_VALUES:
            found += [f"{name}={value}" for value in column.domain]
    return found
