"""What a site keeps of the requests that it decides on: the texts of those that it signs, and its refusals.

Layer:       federation.node.records.request_records, above request_texts and refusals, below site_node.
Guarantees:  as ``request_texts`` and ``refusals``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from federation.errors import RequestRejectedError
from federation.node.records import refusals, request_texts
from federation.node.records.refusals import RefusalLog
from federation.node.records.request_texts import RequestTexts
from federation.protocol.request import request_hash
from privacy_accounting.ledger.contents import Charge, Exact

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from federation.consortium.consortium_file import Consortium
    from federation.protocol.messages import Ask
    from privacy_accounting.ledger.entries import Body


class RequestRecords:
    """Texts and refusals of one site. Safe for several threads.

    Attributes:
        texts: of the requests that this site has signed.
        refusals: what it has refused.
    """

    def __init__(
        self, *, site: str, texts: RequestTexts, refusals: RefusalLog, clock: Callable[[], int]
    ) -> None:
        """Take the name of the site, both files, and a clock (seconds since 1970)."""
        self._site, self.texts, self.refusals, self._clock = site, texts, refusals, clock

    @classmethod
    def of(
        cls,
        folder: Path | None,
        *,
        consortium: Consortium,
        site: str,
        limit_bytes: int,
        clock: Callable[[], int],
    ) -> Self:
        """Open or create both files.

        Args:
            folder: the site's state; None: memory.
            consortium: the analysts and their keys.
            site: the name of this site.
            limit_bytes: of one analyst's texts (bytes).
            clock: seconds since 1970.

        Raises:
            ConfigError: a file is damaged, or cannot be opened.
        """
        text_file, refusal_file = (
            None if folder is None else folder / name for name in (request_texts.FILE, refusals.FILE)
        )
        texts = RequestTexts(text_file, site=site, limit_bytes=limit_bytes)
        log = RefusalLog(refusal_file, consortium=consortium, site=site, clock=clock)
        return cls(site=site, texts=texts, refusals=log, clock=clock)

    def keep(self, body: Body, ask: Ask | None) -> None:
        """Keep the text of a request before this site signs its entry.

        Args:
            body: the entry, on which this site has decided.
            ask: the request behind it.

        Raises:
            RequestRejectedError: the request is not at hand.
            PolicyRefusedError, SiteUnavailableError: as ``RequestTexts.keep``.
        """
        content = body.content
        if not isinstance(content, Charge | Exact):
            return
        asked = content.asked
        if ask is None or request_hash(ask.request) != asked.request:
            raise RequestRejectedError(
                site=self._site, reason="this site has not received the request behind this entry"
            )
        self.texts.keep(asked.request, ask.request, analyst=asked.analyst, time=self._clock())

    def close(self) -> None:
        """Close both files."""
        self.texts.close()
        self.refusals.close()
