"""The budget: what is spent, over time, by whom and for what, and what a further question would leave.

Layer:       federation.dashboard.pages.
Guarantees:  "what if" is the session's own quote of a count, which is free; it changes nothing.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from crossward.base_error import CrosswardError
from federation.dashboard.price import price_of_quote
from federation.dashboard.rendering import form_of, is_fragment, page, state_of
from federation.display.error_text import sentence
from federation.display.terminal import budget_exact
from federation.requests.noise_alternatives import success
from privacy_accounting.report.charts import left_bar, spend_chart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from privacy_accounting.report.figures import Curve, Part

SHOWN = tuple(Fraction(text) for text in ("0.1", "0.5", "1", "2", "4"))
USUAL = "0.5"


def routes() -> list[Route]:
    """Return the routes."""
    return [Route("/budget", show), Route("/budget/what-if", what_if)]


def show(request: Request) -> Response:
    """The page."""
    state = state_of(request)
    problem, tree = "", list[dict[str, Any]]()
    try:
        tree = _tree(state.session.budget_rows())
    except CrosswardError as error:
        problem = sentence(error)
    delta = max((float(part["row"]["delta"]) for each in tree for part in each["parts"]), default=0.0)
    return page(
        request,
        "budget",
        tree=tree,
        problem=problem,
        over_time=_over_time(request),
        has_ledger=state.ledger is not None,
        tables=list(state.session.tables),
        attackers=[(f"{float(each):g}", f"{100 * success(float(each), delta):.1f} %") for each in SHOWN],
        **_what_if(request),
    )


def what_if(request: Request) -> Response:
    """What questions of one epsilon would leave; without htmx the whole page."""
    if not is_fragment(request):
        return show(request)
    return page(request, "parts/what_if", **_what_if(request))


def _what_if(request: Request) -> dict[str, Any]:
    """Quote a count at the epsilon of the form."""
    fields, session = form_of(request), state_of(request).session
    known = list(session.tables)
    chosen = fields.text("table")
    table = chosen if chosen in known else known[0]
    epsilon = fields.text("epsilon", USUAL)
    shown: dict[str, Any] = {"wanted": epsilon, "table": table, "what_if": None, "what_if_problem": ""}
    try:
        amount = fields.decimal("epsilon", "epsilon") or Fraction(USUAL)
        rows = session.quote(f"SELECT COUNT(*) AS n FROM {table}", epsilon=amount)  # noqa: S608 - a name of the schema
        # a count that the analyst's own store answers still shows what a new one would take
        shown["what_if"] = price_of_quote(rows, "", is_payable=True, is_fresh=True)
    except CrosswardError as error:
        shown["what_if_problem"] = sentence(error)
    return shown


def _tree(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Populations, below each its sub-budgets, below each its purposes and analysts."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        population = found.setdefault(row["population"], {"name": row["population"], "parts": []})
        spent = float(str(row["fraction_spent"]))
        shown = {
            "row": row,
            "percent": f"{100 * spent:.1f} %",
            "bar": left_bar(spent, f"{100 * spent:.1f} % spent"),
            "exact": budget_exact(row),
        }
        if not row["purpose"] and not row["analyst"]:
            population["parts"].append(shown | {"purposes": [], "analysts": []})
        elif population["parts"]:
            population["parts"][-1]["purposes" if row["purpose"] else "analysts"].append(shown)
    return list(found.values())


def _over_time(request: Request) -> list[dict[str, Any]]:
    """The spend of each sub-budget over time, where a ledger is on this machine and has been read."""
    ledger = state_of(request).ledger
    figures = None if ledger is None else ledger.look().figures
    if figures is None:
        return []
    times = {"first": figures.first_time, "last": figures.last_time}
    return [
        {
            "name": f"{part.remaining.sub_budget} budget of {part.remaining.population}",
            "charts": [
                (
                    heading,
                    spend_chart(
                        curve,
                        exact=part.exact_times,
                        refused=part.refusal_times,
                        label=f"{part.remaining.sub_budget} budget of {part.remaining.population}, spent over time {heading}",
                        **times,
                    ),
                )
                for heading, curve in _curves(part)
            ],
        }
        for part in figures.parts
        if not part.by_purpose.is_empty
    ]


def _curves(part: Part) -> list[tuple[str, Curve]]:
    """One picture where one analyst spent for one purpose alone, else two."""
    if part.is_one_series:
        return [("in all", part.by_purpose)]
    return [("by purpose", part.by_purpose), ("by analyst", part.by_analyst)]
