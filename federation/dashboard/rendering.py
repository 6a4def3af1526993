"""Turns templates into answers.

Layer:       federation.dashboard.rendering, above state.
Guarantees:  everything is escaped (autoescape), a name that a template misspells is an error, and every form holds the
             session's secret.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jinja2
from starlette.responses import HTMLResponse

from federation.dashboard.form_fields import Fields
from federation.dashboard.security.access import FORM_SECRET

if TYPE_CHECKING:
    from starlette.requests import Request

    from federation.dashboard.state import DashboardState

PAGES: Final = (
    ("/", "Consortium"),
    ("/ask", "Ask"),
    ("/budget", "Budget"),
    ("/ledger", "Ledger"),
    ("/mining", "Mining"),
    ("/training", "Training"),
    ("/quality", "Quality"),
    ("/refusals", "Refusals"),
)
HERE: Final = Path(__file__).parent


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = _moment
    environment.filters["begin"] = lambda text: text[:1].upper() + text[1:]
    return environment


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a template.

    Args:
        request: that is answered.
        template: its name, without endings.
        status: of the answer.
        **values: for the template.
    """
    session = request.state.session
    shown = state_of(request)
    text = (
        _environment()
        .get_template(f"{template}.html.j2")
        .render(
            pages=PAGES,
            path=request.url.path,
            form_secret="" if session is None else session.form_secret,
            form_secret_name=FORM_SECRET,
            is_signed_in=session is not None,
            consortium=shown.session.consortium.file.name,
            analyst=shown.session.analyst,
            down=shown.nodes.known().down,
            **values,
        )
    )
    return HTMLResponse(text, status)


def state_of(request: Request) -> DashboardState:
    """Return what the process holds."""
    state: DashboardState = request.app.state.dashboard
    return state


def form_of(request: Request) -> Fields:
    """Return the fields of a POST, or of the address of a GET."""
    return Fields(request.state.form or request.query_params.multi_items())


def is_fragment(request: Request) -> bool:
    """Whether htmx asks, which puts a part of a page into the page that is shown."""
    return request.headers.get("hx-request") == "true"


def _moment(seconds: float | None) -> str:
    return "" if not seconds else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
