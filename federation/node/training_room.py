"""A site's part in trainings, put together: the desk that lets an attempt be charged and the trainer that does the work.

Floor:    federation.node.training_room, above training_desk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from federation.node.ledger.arrival import take_over
from federation.node.training_desk import TrainingDesk
from federation.paillier.cipher import Encryptor
from federation.training.agreement import Agreement
from federation.training.pinned import helpers_of, pinned_key
from federation.training.site import SiteTrainer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.sources import Source
    from federation.config import Consortium
    from federation.network import Network
    from federation.site_file import Policy
    from privacy_accounting.ledger.entries import Entry
    from privacy_accounting.ledger.replica import Replica


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRoom:
    """Desk and trainer of one site."""

    desk: TrainingDesk
    trainer: SiteTrainer

    @staticmethod
    def of(
        *,
        site: str,
        consortium: Consortium,
        policy: Policy,
        sources: Mapping[str, Source],
        replica: Replica,
        network: Network,
    ) -> TrainingRoom | None:
        """Put it together; None where the consortium has no aggregator or no key holder."""
        if consortium.file.aggregator is None or consortium.file.keyholder is None:
            return None
        key = pinned_key(consortium)
        agreement = Agreement(
            party=site,
            consortium=consortium,
            key=key,
            members=lambda _: replica.core.members(replica.head + 1),
        )

        def note(entry: Entry) -> None:
            """Note the start of an attempt."""
            take_over(replica, entry, source=site, deadline_s=float(consortium.file.deadline_s))
            replica.start(entry)

        desk = TrainingDesk(
            site=site,
            consortium=consortium,
            policy=policy,
            sources=sources,
            replica=replica,
            agreement=agreement,
        )
        trainer = SiteTrainer(
            site=site,
            network=network,
            agreement=agreement,
            source_of=lambda table: sources[table],
            encryptor=Encryptor(key),
            note=note,
            helpers=helpers_of(consortium),
            local_limit_s=float(consortium.file.local_limit_s),
        )
        return TrainingRoom(desk=desk, trainer=trainer)
