"""Channels to the dealer: kept open between sessions, so that a call costs no handshake.

Layer:       federation.node.execution.dealer_channel, beside ledger.peers.
Guarantees:  a channel that a restart of the dealer has closed is replaced once, if the dealer is alive; a repeated
             call is harmless, since the dealer serves a session once.
See instead: the dealer (``helpers.dealer``), the session itself (``query_run``).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from federation.protocol.exchange import expect, send
from federation.protocol.messages import Ack, Deal
from smpc.errors import PartyLostError

if TYPE_CHECKING:
    from federation.network.channel import Channel, Network

DIAL_S: Final = 5.0


class DealerChannels:
    """One site's channels to the dealer. Safe for several threads."""

    def __init__(self, network: Network, deadline_s: float) -> None:
        """Store the address; dial at the first call."""
        self._network, self._deadline_s = network, deadline_s
        self._lock = threading.Lock()
        self._idle: list[Channel] = []

    def call(self, dealer: str, deal: Deal) -> None:
        """Ask the dealer to join a session.

        Raises:
            PartyLostError: the dealer is lost.
            PeerRejectedError: the dealer refuses.
        """
        with self._lock:
            channel = self._idle.pop() if self._idle else None
        if channel is not None:
            try:
                self._ask(channel, deal)
            except PartyLostError:
                if not self._network.is_alive(dealer):
                    raise
            else:
                return
        self._ask(self._network.dial(dealer, "request", DIAL_S), deal)

    def _ask(self, channel: Channel, deal: Deal) -> None:
        try:
            send(channel, deal)
            expect(channel, self._network, Ack, timeout_s=self._deadline_s)
        except BaseException:
            channel.close()
            raise
        with self._lock:
            self._idle.append(channel)
