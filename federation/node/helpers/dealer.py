"""The dealer's node: joins a session when its first site calls, deals material, keeps nothing.

Layer:       federation.node.helpers.dealer. Sees no data and imports no torch.
Guarantees:  deals only to sites of the consortium, to each session once since its start, and to a limited number of
             sessions at once; stores nothing on disk.
See instead: the material (``smpc.dealer``).
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from federation.node.clock import installed_version, wall_clock
from federation.protocol.error_codes import traced
from federation.protocol.exchange import serve
from federation.protocol.messages import Ack, Deal, Health, HealthAsk
from smpc.dealer.service import DealerService
from smpc.errors import PeerRejectedError, SmpcError
from smpc.sharing import FEWEST_PARTIES

if TYPE_CHECKING:
    from federation.consortium.consortium_file import Consortium
    from federation.network.channel import Channel, Network
    from federation.protocol.codec import Message

LOG: Final = logging.getLogger(__name__)
JOIN_S: Final = 10.0
MOST_SESSIONS: Final = 256  # the most that a site file can allow


class DealerNode:
    """A running dealer."""

    def __init__(self, *, consortium: Consortium, network: Network) -> None:
        """Create the dealer; ``start`` lets it answer."""
        self.name, self.consortium, self.network = network.name, consortium, network
        self._service = DealerService()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def start(self) -> None:
        """Serve channels."""
        self.network.serve("request", self._requests)

    def close(self) -> None:
        """Close the network; sessions in progress end with an error."""
        self.network.close()
        with self._lock:
            threads = set(self._threads)
        for thread in threads:
            thread.join(JOIN_S)

    def _requests(self, channel: Channel) -> None:
        serve(channel, self.network, lambda message: self._answer(message, channel))

    def _answer(self, message: Message, channel: Channel) -> Message:
        if isinstance(message, HealthAsk):
            return self._health()
        if not isinstance(message, Deal) or channel.role != "site":
            raise PeerRejectedError(
                reason="only a site can ask the dealer, and only to join a session", name=channel.peer
            )
        if channel.peer not in message.parties or not set(message.parties) <= set(self.consortium.names):
            raise PeerRejectedError(reason="the session names a party that is not a site", name=channel.peer)
        if not FEWEST_PARTIES <= len(set(message.parties)) == len(message.parties):
            raise PeerRejectedError(
                reason="a session needs two parties at least, each named once", name=channel.peer
            )
        thread = threading.Thread(
            target=self._deal, args=(message,), name=f"{self.name}-session", daemon=True
        )
        with self._lock:
            if len(self._threads) >= MOST_SESSIONS:
                raise PeerRejectedError(reason=f"{MOST_SESSIONS} sessions are in progress here")
            self._threads.add(thread)
        thread.start()
        return Ack()

    def _deal(self, deal: Deal) -> None:
        try:
            mesh = self.network.open_mesh(deal.session_id, deal.request_hash, deal.parties, self.name)
            self._service.serve(mesh, deal.session_id)
        except SmpcError as error:
            LOG.warning("%s: a session ended early: %s", self.name, type(error).__name__)
        except Exception as error:  # noqa: BLE001 - no error of a session may end the node
            LOG.error("%s: internal error: %s", self.name, traced(error))  # noqa: TRY400
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _health(self) -> Health:
        return Health(
            engine="",
            name=self.name,
            role="dealer",
            version=installed_version(),
            configuration=self.consortium.configuration(),
            clock_s=wall_clock(),
            is_ready=True,
            reason="",
            ledger_number=-1,
            ledger_head="",
            hears=self.network.hears(),
        )
