"""A site's part in trainings: admission decides whether an attempt may be charged, the trainer does the work.

Layer:       federation.node.training_node, above admission.training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from federation.aggregation.mask_keys import MaskKeys
from federation.aggregation.opened_sums import OpenedSums
from federation.aggregation.shared_sum import SharedSum
from federation.aggregation.update_cipher import UpdateCipher
from federation.node.admission.training import TrainingAdmission
from federation.node.ledger.late_entry import accept_entry
from federation.paillier.cipher import Encryptor
from federation.training.own_models import OwnModels
from federation.training.rounds.entry_check import EntryCheck
from federation.training.running.helpers import helpers_of, key_of, no_helpers
from federation.training.site_worker import SiteTrainer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from analytics.sources import LocalTable
    from federation.consortium.consortium_file import Consortium
    from federation.consortium.site_file import Policy
    from federation.network.channel import Network
    from federation.node.admission.exact_limits import ExactLimit
    from federation.node.admission.quality_gates import QualityGates
    from privacy_accounting.ledger.entries import Entry
    from privacy_accounting.ledger.replication.replica import Replica


SUMS: Final = "training_sums.sqlite"
OWN_MODELS: Final = "own_models"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingNode:
    """Admission and trainer of one site."""

    admission: TrainingAdmission
    trainer: SiteTrainer
    own_models: OwnModels

    @staticmethod
    def of(  # noqa: PLR0913 - independent parts, by keyword
        *,
        site: str,
        consortium: Consortium,
        policy: Policy,
        sources: Mapping[str, LocalTable],
        replica: Replica,
        network: Network,
        exact_limit: ExactLimit,
        gates: QualityGates,
        records: Path | None,
    ) -> TrainingNode:
        """Create both; without helpers for sums by shares alone. ``records``: where sums and own models are kept, or None."""
        key = key_of(consortium)
        agreement = EntryCheck(
            party=site,
            consortium=consortium,
            key=key,
            members=lambda _: replica.core.members(replica.head + 1),
        )

        def note(entry: Entry) -> None:
            """Record the start of an attempt in the ledger notes."""
            accept_entry(replica, entry, source=site, deadline_s=float(consortium.file.deadline_s))
            replica.start(entry)

        admission = TrainingAdmission(
            site=site,
            consortium=consortium,
            policy=policy,
            sources=sources,
            replica=replica,
            agreement=agreement,
            exact_limit=exact_limit,
            gates=gates,
        )
        deadline_s, cipher = float(consortium.file.deadline_s), None
        if key is not None:
            mask_keys = MaskKeys(
                site=site, network=network, configuration=consortium.digest(), deadline_s=deadline_s
            )
            cipher = UpdateCipher(Encryptor(key), mask_keys)

        def store() -> OpenedSums:  # opened at the first run that adds up by shares
            return OpenedSums(None if records is None else records / SUMS)

        own_models = OwnModels(None if records is None else records / OWN_MODELS)
        trainer = SiteTrainer(
            site=site,
            network=network,
            agreement=agreement,
            source_of=lambda table: sources[table],
            cipher=cipher,
            shares=SharedSum(site=site, network=network, store=store, deadline_s=deadline_s),
            note=note,
            helpers=no_helpers(consortium) if key is None else helpers_of(consortium),
            local_limit_s=float(consortium.file.local_limit_s),
            keep_own=own_models.keep,
            accepted=admission.has_accepted,
        )
        return TrainingNode(admission=admission, trainer=trainer, own_models=own_models)
