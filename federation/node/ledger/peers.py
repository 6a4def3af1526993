"""Ledger messages to the other sites: one channel each, all sites at once, no wait longer than the deadline.

Layer:       federation.node.ledger.peers.
Guarantees:  decides nothing and stores nothing: delivers bytes of ``privacy_accounting.ledger`` and returns the
             answers. A killed site is skipped as soon as its channel closes, a frozen one at the deadline.
See instead: the meaning of the bytes (``replication``).
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from federation.protocol.exchange import expect, send
from federation.protocol.messages import Ask, LedgerEntries, LedgerPost, LedgerReply, LedgerSince
from privacy_accounting.errors import EntriesArchivedError, LedgerRefusedError
from smpc.errors import SmpcError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from federation.consortium.consortium_model import Member
    from federation.network.channel import Channel, Network

LOG: Final = logging.getLogger(__name__)
DIAL_S: Final = 5.0
M = TypeVar("M", LedgerReply, LedgerEntries)


class PeerClient:
    """The channel to one other site; one exchange at a time."""

    def __init__(self, network: Network, site: str, deadline_s: float) -> None:
        """Store the address; dial at the first message."""
        self._network, self.site, self._deadline_s = network, site, deadline_s
        self._lock = threading.Lock()
        self._channel: Channel | None = None

    def deliver(self, messages: Sequence[bytes], requests: Sequence[Ask]) -> bytes | None:
        """Deliver messages in order; the last answer, or None if the site did not answer in time."""
        posts = [LedgerPost(data=message, requests=list(requests)) for message in messages]
        with self._lock:
            try:
                reply = b""
                for number, post in enumerate(posts):
                    reply = self._request(post, LedgerReply, may_redial=number == 0).reply
            except SmpcError as error:
                LOG.warning("ledger: no answer from %s: %s", self.site, type(error).__name__)
                self._drop()
                return None
            except LedgerRefusedError as error:
                LOG.warning("ledger: %s refuses: %s", self.site, error.reason)
                if self.site in error.reason:
                    raise
                raise LedgerRefusedError(reason=f"{self.site}: {error.reason}") from error
            return reply

    def entries_since(self, number: int) -> LedgerEntries | EntriesArchivedError | None:
        """Request complete entries; None if the site does not answer, an error if it has archived them."""
        with self._lock:
            try:
                return self._request(LedgerSince(number=number), LedgerEntries, may_redial=True)
            except EntriesArchivedError as error:
                return error
            except SmpcError:
                self._drop()
                return None

    def close(self) -> None:
        """Close the channel."""
        with self._lock:
            self._drop()

    def _request(self, message: LedgerPost | LedgerSince, kind: type[M], *, may_redial: bool) -> M:
        is_fresh = self._channel is None
        channel = self._channel or self._network.dial(self.site, "ledger", DIAL_S)
        self._channel = channel
        try:
            send(channel, message)
            return expect(channel, self._network, kind, timeout_s=self._deadline_s)
        except SmpcError:
            # A restart of the site closes its old channel; every ledger message can be sent again.
            if is_fresh or not may_redial or not self._network.is_alive(self.site):
                raise
            self._drop()
            return self._request(message, kind, may_redial=False)

    def _drop(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None


class PeerClients:
    """The channels to all other sites.

    Attributes:
        awaited: among them, the sites that no entry has added or replaced yet, and where they are reached.
    """

    def __init__(
        self,
        network: Network,
        sites: Sequence[str],
        deadline_s: float,
        *,
        awaited: Mapping[str, Member] | None = None,
    ) -> None:
        """Create one client for each other site."""
        self._network, self.awaited = network, dict(awaited or {})
        self._peers = {site: PeerClient(network, site, deadline_s) for site in sites}
        self._pool = ThreadPoolExecutor(
            max_workers=max(1, len(sites)), thread_name_prefix=f"{network.name}-ledger-peer"
        )

    @property
    def sites(self) -> tuple[str, ...]:
        """The other sites."""
        return tuple(self._peers)

    def broadcast(
        self, messages: Mapping[str, Sequence[bytes]], requests: Sequence[Ask] = ()
    ) -> dict[str, bytes]:
        """Send messages to several sites at once.

        Args:
            messages: the messages for each site, in order.
            requests: the signed requests that the proposals charge.

        Returns:
            The last answer of every site that answered in time.
        """
        futures = {
            site: self._pool.submit(self._peers[site].deliver, list(posts), requests)
            for site, posts in messages.items()
            if site in self._peers
        }
        answers = {site: future.result() for site, future in futures.items()}
        return {site: answer for site, answer in answers.items() if answer is not None}

    def all_alive(self, sites: Sequence[str]) -> bool:
        """Whether none of these sites is known to be lost."""
        return all(self._network.is_alive(site) for site in sites)

    def entries_since(self, numbers: Mapping[str, int]) -> dict[str, LedgerEntries | EntriesArchivedError]:
        """Request entries from several sites at once; the answers of the sites that answered in time."""
        futures = {
            site: self._pool.submit(self._peers[site].entries_since, number)
            for site, number in numbers.items()
        }
        answers = {site: future.result() for site, future in futures.items()}
        return {site: answer for site, answer in answers.items() if answer is not None}

    def close(self) -> None:
        """Close every channel and end the threads."""
        for peer in self._peers.values():
            peer.close()
        self._pool.shutdown(wait=True)
