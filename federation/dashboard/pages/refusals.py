"""What was refused: in this dashboard, and by a site for its administrator.

Layer:       federation.dashboard.pages.
Visible to:  the first part shows the analyst's own questions. The second is read from a site's own file, for that site's
             administrator, and only where the command named it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from crossward.base_error import CrosswardError
from federation.audit import refusals
from federation.dashboard.rendering import page, state_of
from federation.display.error_text import sentence
from federation.protocol.request import Request as SignedRequest
from federation.requests.question_text import question_text

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from federation.node.records.refusals import RefusedRequest

MOST = 200


def routes() -> list[Route]:
    """Return the routes."""
    return [Route("/refusals", show)]


def show(request: Request) -> Response:
    """The page."""
    state = state_of(request)
    rows: list[tuple[RefusedRequest, str]] = []
    problem, in_all, unsigned = "", 0, 0
    if state.site is not None:
        try:
            report = refusals(state.site)
            in_all, unsigned = len(report.refusals), report.unsigned
            rows = [(each, _question(each)) for each in report.refusals[::-1][:MOST]]
        except CrosswardError as error:
            problem = sentence(error)
    return page(
        request,
        "refusals",
        own=state.refused(),
        site=state.site,
        rows=rows,
        in_all=in_all,
        unsigned=unsigned,
        problem=problem,
    )


def _question(refused: RefusedRequest) -> str:
    if refused.request is None:
        return "its text was too long to be kept"
    try:
        return question_text(SignedRequest.from_bytes(refused.request))
    except CrosswardError:
        return "not readable by this version"
