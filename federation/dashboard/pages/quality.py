"""Quality: the score card of a site's own rows for its administrator, and shares over all sites for the analyst.

Layer:       federation.dashboard.pages.
Guarantees:  counts of a site's rows are shown only where the command named its own file (P19 i). What is asked of all
             sites is the statistic ``quality``, priced and charged as every statistic.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from starlette.routing import Route

from analytics.quality.page import body_of
from analytics.statistics.profiles.requirements import STATISTIC
from crossward.base_error import CrosswardError
from federation.dashboard.rendering import page, state_of
from federation.diagnostics.score_cards import score_cards
from federation.display.error_text import sentence

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def routes() -> list[Route]:
    """Return the routes."""
    return [Route("/quality", show, methods=["GET", "POST"])]


def show(request: Request) -> Response:
    """The page; of a POST with the score card of the site's rows as they are now."""
    site = state_of(request).site
    shown: dict[str, Any] = {"card": None, "made": "", "problem": ""}
    if request.method == "POST" and site is not None:
        now = datetime.now(UTC)
        try:
            # escaped by analytics.quality.page
            shown["card"] = Markup(body_of(score_cards(site, today=now.date())))  # noqa: S704
            shown["made"] = f"{now:%Y-%m-%d %H:%M} UTC"
        except CrosswardError as error:
            shown["problem"] = sentence(error)
    return page(request, "score_cards", site=site, statistic=STATISTIC, **shown)
