"""Fetches request texts from the sites, for an auditor whose certificate the consortium file names.

Layer:       federation.audit, above client.
Guarantees:  a site that cannot be reached, or that answers wrongly, is named and stops no other site. What arrives is
             written as it came, under the site's name; it is compared with its hash when it is read (``kept_texts``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from crossward.base_error import CrosswardError
from federation.errors import SiteUnavailableError
from federation.protocol.exchange import expect, send
from federation.protocol.messages import TextsAnswer, TextsAsk
from smpc.errors import PartyLostError, PeerRejectedError, SmpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from federation.network.channel import Network

MOST_BYTES: Final = 1 << 32
"""Of one site's texts; a site that never ends is left."""


@dataclass(slots=True)
class Fetched:
    """What came from the sites.

    Attributes:
        counts: texts by site.
        failed: why, by site, the texts of a site are missing or incomplete.
    """

    counts: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def fetch_texts(
    network: Network, sites: Sequence[str], sink: Callable[[str, str, bytes], None], *, timeout_s: float
) -> Fetched:
    """Ask sites for every text that they keep and give to this caller.

    Args:
        network: the auditor's; an analyst gets their own texts.
        sites: whom to ask.
        sink: called with site, hash and bytes of each text.
        timeout_s: longest wait for one page (s).
    """
    fetched = Fetched()
    for site in sites:
        fetched.counts[site] = 0
        try:
            for digest, data in _texts_of(network, site, timeout_s):
                sink(site, digest, data)
                fetched.counts[site] += 1
        except PartyLostError as error:
            fetched.failed[site] = str(SiteUnavailableError(site=error.name))
        except (CrosswardError, SmpcError) as error:
            fetched.failed[site] = str(error)
    return fetched


def _texts_of(network: Network, site: str, timeout_s: float) -> Iterator[tuple[str, bytes]]:
    channel = network.dial(site, "request", timeout_s)
    try:
        after: int | None = 0
        n_bytes = 0
        while after is not None:
            send(channel, TextsAsk(after=after))
            page = expect(channel, network, TextsAnswer, timeout_s=timeout_s)
            yield from page.texts.items()
            n_bytes += sum(map(len, page.texts.values()))
            if n_bytes > MOST_BYTES or (page.next_after is not None and page.next_after <= after):
                raise PeerRejectedError(reason="its request texts do not end", name=site)
            after = page.next_after
    finally:
        channel.close()
