"""The aggregator's and the key holder's nodes: their service, and how they are.

Layer:       federation.node.helpers.aggregation. Imports no torch.
Guarantees:  the aggregator's process holds no private key; the key holder's directory alone has it.
See instead: what they answer (``federation.aggregation.service``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.aggregation.open_sum import KeyHolder
from federation.aggregation.secure_sum import SecureSum
from federation.aggregation.service import AggregatorService, KeyHolderService
from federation.errors import KeyMismatchError
from federation.node.clock import installed_version, wall_clock
from federation.protocol.exchange import receive, send
from federation.protocol.messages import Health, HealthAsk
from federation.training.entry_check import EntryCheck, members_of
from federation.training.helpers import helpers_of, pinned_key
from smpc.errors import PartyLostError, PeerRejectedError

if TYPE_CHECKING:
    from federation.aggregation.claims import Claims
    from federation.consortium.consortium_file import Consortium
    from federation.network.channel import Channel, Network
    from federation.paillier.keys import PrivateKey


class HelperNode:
    """One of the two helpers, running."""

    def __init__(
        self,
        *,
        role: str,
        consortium: Consortium,
        network: Network,
        service: AggregatorService | KeyHolderService,
        answers: Claims | None = None,
    ) -> None:
        """Take a service; ``start`` lets it answer."""
        self.name, self.role = network.name, role
        self._consortium, self._network = consortium, network
        self._service, self._answers = service, answers

    def start(self) -> None:
        """Answer channels."""
        self._service.serve()
        self._network.serve("request", self._requests)

    def close(self) -> None:
        """Leave."""
        self._network.close()
        if self._answers is not None:
            self._answers.close()

    def _requests(self, channel: Channel) -> None:
        try:
            while True:
                self._answer(channel)
        except (PartyLostError, PeerRejectedError):
            channel.close()

    def _answer(self, channel: Channel) -> None:
        if not isinstance(receive(channel, self._network, timeout_s=None), HealthAsk):
            raise PeerRejectedError(reason="nothing but its health is asked here", name=channel.peer)
        send(channel, self._health())

    def _health(self) -> Health:
        return Health(
            engine="",
            name=self.name,
            role=self.role,
            version=installed_version(),
            configuration=self._consortium.digest(),
            clock_s=wall_clock(),
            is_ready=True,
            reason="",
            ledger_number=-1,
            ledger_head="",
            hears=self._network.hears(),
        )


def aggregator_node(consortium: Consortium, network: Network) -> HelperNode:
    """The aggregator of a consortium.

    Raises:
        ConfigError: the consortium has no aggregator or key holder.
    """
    key, helpers = pinned_key(consortium), helpers_of(consortium)
    service = AggregatorService(
        name=network.name,
        network=network,
        agree=_agreement(network.name, consortium),
        secure_sum=SecureSum(key),
        keyholder=helpers.keyholder,
        deadline_s=helpers.deadline_s,
    )
    return HelperNode(role="aggregator", consortium=consortium, network=network, service=service)


def keyholder_node(
    consortium: Consortium, network: Network, *, private: PrivateKey, answers: Claims
) -> HelperNode:
    """The key holder of a consortium.

    Args:
        consortium: the agreement.
        network: its end of the network.
        private: the key; its public part is the one that the agreement pins.
        answers: the durable memory of what was answered.

    Raises:
        ConfigError: the consortium has no aggregator or key holder.
        KeyMismatchError: the key is not the pinned one.
    """
    if private.public.fingerprint != pinned_key(consortium).fingerprint:
        raise KeyMismatchError(reason="the private key is not the one that the consortium file pins")
    helpers = helpers_of(consortium)
    service = KeyHolderService(
        name=network.name,
        network=network,
        agree=_agreement(network.name, consortium),
        holder=KeyHolder(private, answers),
        aggregator=helpers.aggregator,
        deadline_s=helpers.deadline_s,
    )
    return HelperNode(
        role="keyholder", consortium=consortium, network=network, service=service, answers=answers
    )


def _agreement(party: str, consortium: Consortium) -> EntryCheck:
    return EntryCheck(
        party=party,
        consortium=consortium,
        key=pinned_key(consortium),
        members=lambda entry: members_of(consortium, entry),
    )
