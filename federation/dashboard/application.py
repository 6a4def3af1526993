"""The application: routes, files, and what a page says when something fails.

Layer:       federation.dashboard.application, above pages.
Guarantees:  an error is a page with one sentence; a fault of the program's own shows its kind alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from crossward.base_error import CrosswardError
from federation.dashboard.pages import (
    answers,
    ask,
    budget,
    consortium,
    ledger,
    mining,
    quality,
    refusals,
    sign_in,
    training,
)
from federation.dashboard.rendering import HERE, page
from federation.dashboard.security.access import Access
from federation.display.error_text import sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from federation.dashboard.security.access import Place
    from federation.dashboard.security.login import Login
    from federation.dashboard.state import DashboardState

MODULES = (sign_in, consortium, ask, answers, budget, ledger, mining, training, quality, refusals)


def create_app(
    state: DashboardState, *, login: Login, place: Place, offer_link: Callable[[], None] = lambda: None
) -> Access:
    """Return the application, behind its checks.

    Args:
        state: what the pages share.
        login: tokens and sessions.
        place: where it listens, and who may connect.
        offer_link: prints a new link, after a browser has signed out.
    """
    routes = [route for module in MODULES for route in module.routes()]
    app = Starlette(
        routes=[*routes, Mount("/static", StaticFiles(directory=HERE / "static"))],
        exception_handlers={
            CrosswardError: _ours,
            HTTPException: _unknown,
            Exception: _fault,
        },
    )
    app.state.dashboard, app.state.login, app.state.place = state, login, place
    app.state.offer_link = offer_link
    return Access(app, login=login, place=place)


def _ours(request: Request, error: Exception) -> Response:
    return page(request, "problem", status=502, title="This could not be done", problem=sentence(error))


def _unknown(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return page(request, "problem", status=status, title="No such page", problem="use the links above")


def _fault(request: Request, error: Exception) -> Response:
    problem = f"a fault of its own: {type(error).__name__}. Please report how to make it happen"
    return page(request, "problem", status=500, title="This could not be done", problem=problem)
