"""Signing in and out.

Layer:       federation.dashboard.pages.
Guarantees:  opening the printed link uses nothing up; the button does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from federation.dashboard.rendering import form_of, page
from federation.dashboard.security.login import WINDOW_S

if TYPE_CHECKING:
    from starlette.requests import Request

    from federation.dashboard.security.access import Place
    from federation.dashboard.security.login import Login


def routes() -> list[Route]:
    """Return the routes."""
    return [
        Route("/login", show, methods=["GET"]),
        Route("/login", sign_in, methods=["POST"]),
        Route("/logout", sign_out, methods=["POST"]),
    ]


def show(request: Request) -> Response:
    """The form, with the token of the link."""
    if request.state.session is not None:
        return RedirectResponse("/", 303)
    return page(request, "login", token=form_of(request).text("token"), problem="")


def sign_in(request: Request) -> Response:
    """Use the token."""
    login: Login = request.app.state.login
    place: Place = request.app.state.place
    if login.is_blocked():
        return _again(request, 429, f"too many wrong tokens: wait {WINDOW_S:.0f} seconds, then try again")
    cookie = login.sign_in(form_of(request).text("token"))
    if cookie is None:
        text = "this token is wrong or was used before: take the last link that the dashboard printed in its terminal"
        return _again(request, 403, text)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(place.cookie, cookie, path="/", httponly=True, samesite="strict")
    return answer


def sign_out(request: Request) -> Response:
    """End this browser's session, and print a link for the next one."""
    login: Login = request.app.state.login
    place: Place = request.app.state.place
    login.sign_out(request.state.cookie)
    request.app.state.offer_link()
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(place.cookie, path="/", httponly=True, samesite="strict")
    return answer


def _again(request: Request, status: int, problem: str) -> Response:
    return page(request, "login", status=status, token="", problem=problem)
