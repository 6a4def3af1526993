"""The way to the dealer: channels that stay open between sessions, so that calling it costs no handshake.

Layer:       federation.node.execution.dealer_channel, beside couriers.
Guarantees:  a channel that the dealer's restart has closed is replaced once, if the dealer lives; a call that may have
             been taken twice is harmless, since a session is served once.
See instead: what the dealer then does (``dealer``), the session itself (``runs``).
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
        """Know the way; dial at the first call."""
        self._network, self._deadline_s = network, deadline_s
        self._lock = threading.Lock()
        self._idle: list[Channel] = []

    def call(self, dealer: str, deal: Deal) -> None:
        """Ask the dealer to join a session.

        Raises:
            PartyLostError: it is gone.
            PeerRejectedError: it refuses.
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
