"""The consortium: nodes, ledgers, the trust model.

Layer:       federation.dashboard.pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from federation.dashboard.graphics.trust_picture import trust_picture
from federation.dashboard.rendering import is_fragment, page, state_of
from federation.requests.trust import trust_model_of, trust_model_of_products

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def routes() -> list[Route]:
    """Return the routes."""
    return [Route("/", show), Route("/nodes", nodes), Route("/status", status)]


def show(request: Request) -> Response:
    """The page."""
    session = state_of(request).session
    found = state_of(request).nodes.look()
    consortium = session.consortium
    dealer = consortium.file.dealer
    sums = trust_model_of(consortium, has_products=False)
    picture = trust_picture(
        consortium.names,
        dealer="" if dealer is None else dealer.name,
        analyst=session.analyst,
        threshold=sums.threshold,
        down=found.down,
    )
    return page(
        request,
        "consortium",
        nodes=found,
        picture=picture,
        trust=(sums.text, trust_model_of_products(consortium).text),
        file=consortium.file,
        tables=list(session.tables),
    )


def nodes(request: Request) -> Response:
    """The table of nodes, for live updates; without htmx the whole page."""
    if not is_fragment(request):
        return show(request)
    return page(request, "parts/nodes", nodes=state_of(request).nodes.look())


def status(request: Request) -> Response:
    """The line on nodes that do not answer, for live updates on every page."""
    if not is_fragment(request):
        return show(request)
    state_of(request).nodes.look()
    return page(request, "parts/status")
