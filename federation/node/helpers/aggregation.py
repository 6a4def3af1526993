"""The nodes of the aggregator and the key holder: their service and their state.

Layer:       federation.node.helpers.aggregation. Imports no torch.
Guarantees:  the process of the aggregator holds no private key; only the key holder's directory has it.
See instead: the answers of the services (``federation.aggregation.service``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from federation.aggregation.claims import Claims
from federation.aggregation.open_sum import KeyHolder
from federation.aggregation.opened_sums import OpenedSums
from federation.aggregation.secure_sum import SecureSum
from federation.aggregation.service import AggregatorService, KeyHolderService
from federation.errors import KeyMismatchError
from federation.node.clock import installed_version, wall_clock
from federation.protocol.exchange import serve
from federation.protocol.messages import Health, HealthAsk
from federation.training.rounds.entry_check import EntryCheck, members_of
from federation.training.running.helpers import helpers_of, pinned_key
from smpc.errors import PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from federation.consortium.consortium_file import Consortium
    from federation.network.channel import Channel, Network
    from federation.paillier.keys import PrivateKey
    from federation.protocol.codec import Message


ANSWERS: Final = "answers.sqlite"
SUMS: Final = "sums.sqlite"
MOST_PROCESSES: Final = 8


class HelperNode:
    """A running aggregator or key holder."""

    def __init__(
        self,
        *,
        role: str,
        consortium: Consortium,
        network: Network,
        service: AggregatorService | KeyHolderService,
        stores: Sequence[Claims | OpenedSums] = (),
    ) -> None:
        """Create the node of a service; ``start`` lets it answer."""
        self.name, self.role = network.name, role
        self._consortium, self._network = consortium, network
        self._service, self._stores = service, stores

    def start(self) -> None:
        """Serve channels."""
        self._service.serve()
        self._network.serve("request", self._requests)

    def close(self) -> None:
        """Close the network and the stores."""
        self._network.close()
        for store in self._stores:
            store.close()

    def _requests(self, channel: Channel) -> None:
        serve(channel, self._network, lambda message: self._answer(message, channel))

    def _answer(self, message: Message, channel: Channel) -> Message:
        if not isinstance(message, HealthAsk):
            raise PeerRejectedError(
                reason="this helper answers only a health request on this channel", name=channel.peer
            )
        return self._health()

    def _health(self) -> Health:
        return Health(
            engine="",
            name=self.name,
            role=self.role,
            version=installed_version(),
            configuration=self._consortium.configuration(),
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
    consortium: Consortium, network: Network, *, private: PrivateKey, folder: Path
) -> HelperNode:
    """The key holder of a consortium.

    Args:
        consortium: the agreement.
        network: the network of the key holder.
        private: the private key; the agreement pins its public part.
        folder: where its record of answered attempts and the sums that it opened are kept.

    Raises:
        ConfigError: the consortium has no aggregator or key holder.
        KeyMismatchError: the agreement pins another key.
    """
    if private.public.fingerprint != pinned_key(consortium).fingerprint:
        raise KeyMismatchError(
            reason="the consortium file pins another public key than that of this private key"
        )
    helpers = helpers_of(consortium)
    answers, opened = Claims(folder / ANSWERS), OpenedSums(folder / SUMS)
    service = KeyHolderService(
        name=network.name,
        network=network,
        agree=_agreement(network.name, consortium),
        holder=KeyHolder(private, answers, processes=available_cores()),
        opened=opened,
        aggregator=helpers.aggregator,
        deadline_s=helpers.deadline_s,
    )
    return HelperNode(
        role="keyholder",
        consortium=consortium,
        network=network,
        service=service,
        stores=(answers, opened),
    )


def available_cores() -> int:
    """The cores that this process may use, at most ``MOST_PROCESSES``."""
    return min(len(os.sched_getaffinity(0)), MOST_PROCESSES)


def _agreement(party: str, consortium: Consortium) -> EntryCheck:
    return EntryCheck(
        party=party,
        consortium=consortium,
        key=pinned_key(consortium),
        members=lambda entry: members_of(consortium, entry),
    )
