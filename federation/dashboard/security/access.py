"""The checks that every request passes before a page sees it, and the headers of every answer.

Layer:       federation.dashboard.security, above login. An ASGI application around another one.
Guarantees:  only a process of the same user is answered, under the names of the loopback address (against DNS rebinding).
             What changes anything is a POST of a plain form, from a page of this dashboard (Origin) that knows the
             session's form secret. Without a session only the sign-in page and the static files are shown. No page is
             kept by the browser, framed, or allowed to load or run anything that is not a file of this package.
Source:      OWASP cheat sheets on session management and cross-site request forgery; CSP level 3; Fetch (Origin).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from federation.dashboard.security.login import BrowserSession, Login

MOST_BYTES: Final = 256 << 10
MOST_FIELDS: Final = 500
LOGIN: Final = "/login"
FORM_SECRET: Final = "form_secret"  # noqa: S105 - the name of a field
STATIC: Final = "/static/"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # not no-referrer, under which browsers send the origin of a form as "null"
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the dashboard listens, and who may connect.

    Attributes:
        port: of the loopback address.
        is_own_peer: whether the process at the other end belongs to this user, by both addresses of the connection.
    """

    port: int
    is_own_peer: Callable[[tuple[str, int], tuple[str, int]], bool]

    @property
    def hosts(self) -> tuple[str, ...]:
        """Values of Host that are answered."""
        return (f"127.0.0.1:{self.port}", f"localhost:{self.port}")

    @property
    def cookie(self) -> str:
        """Name of the cookie: cookies ignore the port, and two dashboards must not sign each other out."""
        return f"crossward_{self.port}"


class Access:
    """The outermost application."""

    def __init__(self, app: ASGIApp, *, login: Login, place: Place) -> None:
        """Stand before an application."""
        self._app, self._login, self._place = app, login, place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":
            return  # no websockets, no lifespan events

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope) or await self._checked(scope, receive)
        await (self._app if refusal is None else refusal)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """Refuse by the connection, the method and the names of both sides."""
        headers = Headers(scope=scope)
        client, server = scope.get("client"), scope.get("server")
        if client is None or server is None or not self._place.is_own_peer(client, server):
            return PlainTextResponse("this dashboard belongs to another user of this machine", 403)
        if headers.getlist("host") not in [[name] for name in self._place.hosts]:
            return PlainTextResponse("this name is not answered here; use the link that was printed", 421)
        if scope["method"] not in {"GET", "HEAD", "POST"}:
            return PlainTextResponse("only GET and POST are answered", 405)
        if scope["method"] == "POST":
            if headers.get("origin") != f"http://{headers['host']}":
                return PlainTextResponse("the form came from another page; nothing was done", 403)
            if headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
                return PlainTextResponse("only plain forms are read", 415)
        return None

    async def _checked(self, scope: Scope, receive: Receive) -> Response | None:
        """Refuse without a session or a form secret; give the session and the form to the page."""
        headers, path = Headers(scope=scope), scope["path"]
        cookie = _cookie(headers.get("cookie", ""), self._place.cookie)
        session = self._login.session_of(cookie) if cookie else None
        state = scope.setdefault("state", {})
        state["cookie"], state["session"], state["form"] = cookie, session, []
        is_open = path == LOGIN or path.startswith(STATIC)
        if session is None and not is_open:
            if scope["method"] == "POST" or headers.get("hx-request"):
                return PlainTextResponse(
                    "you are not signed in; nothing was done", 403, {"HX-Redirect": LOGIN}
                )
            return RedirectResponse(LOGIN, 303)
        if scope["method"] != "POST":
            return None
        form = await _read_form(receive)
        if form is None:
            return PlainTextResponse("the form is too large, or cannot be read; nothing was done", 413)
        state["form"] = form
        if path != LOGIN and not _has_secret(form, session):
            return PlainTextResponse("the form has expired: load the page again; nothing was done", 403)
        return None


def _has_secret(form: list[tuple[str, str]], session: BrowserSession | None) -> bool:
    given = [value for name, value in form if name == FORM_SECRET]
    return (
        session is not None
        and len(given) == 1
        and hmac.compare_digest(
            given[0].encode("utf-8", "surrogatepass"), session.form_secret.encode("ascii")
        )
    )


async def _read_form(receive: Receive) -> list[tuple[str, str]] | None:
    """Read the whole body of a form; None where it is too large or no form."""
    data = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        data += message.get("body", b"")
        if len(data) > MOST_BYTES:
            return None
        if not message.get("more_body", False):
            break
    try:
        return parse_qsl(
            data.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError:
        return None


def _cookie(header: str, name: str) -> str:
    """Return one cookie; empty without it, or where the header is malformed or names it twice."""
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return "" if found is None or header.count(f"{name}=") != 1 else found.value
