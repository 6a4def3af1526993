"""Summary of a site's ledger for its administrator: entries, members, budgets, pending amendments.

Layer:       federation.node.ledger.summary, above storage. Reads beside the running node.
See instead: the integrity of the ledger (``privacy_accounting.audit``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from federation.consortium.amending.administrator_approvals import Approvals
from federation.errors import AmendmentRejectedError
from federation.node.ledger.storage import describe_ledger, read_ledger
from privacy_accounting.audit.chain_reader import opening, read_entries
from privacy_accounting.decimals import format_decimal
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.storage.store import Table

if TYPE_CHECKING:
    from federation.consortium.amending.amendments import Amendment
    from federation.consortium.site_file import SiteConfig
    from privacy_accounting.ledger.state import ChainState
    from privacy_accounting.ledger.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSummary:
    """A summary of the ledger.

    Attributes:
        site: the owner of the ledger.
        place: the place of the ledger.
        first: number of the first entry held; older ones are archived.
        head: number of the last entry.
        head_time: the time of the last entry (UTC); empty for the genesis entry, which has no time.
        snapshot: number of the last snapshot whose state this site holds; -1 without any.
        sequencer: the current sequencer.
        members: all sites, sorted.
        budgets: for each population and sub-budget, the agreed and the spent budget.
        agreed: amendments approved at this site that are not entered yet.
    """

    site: str
    place: str
    first: int
    head: int
    head_time: str
    snapshot: int
    sequencer: str
    members: tuple[str, ...]
    budgets: tuple[dict[str, str], ...]
    agreed: tuple[dict[str, str], ...]

    def to_dict(self) -> dict[str, object]:
        """For machines."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For a terminal."""
        lines = [
            f"ledger of {self.site}: {self.place}",
            f"entries {self.first} to {self.head}"
            + (f", the last of {self.head_time}" if self.head_time else ": only the genesis entry")
            + (f"; those before {self.first} are archived" if self.first else ""),
            "no snapshot yet" if self.snapshot < 0 else f"last snapshot: entry {self.snapshot}",
            f"members: {', '.join(self.members)}; sequencer: {self.sequencer}",
        ]
        lines += [
            f"budget of {b['population']}: epsilon {b['epsilon']}; {b['sub_budget']}: epsilon {b['part']}, "
            f"{b['spent']} spent"
            for b in self.budgets
        ]
        lines += [f"approved here, not yet entered: {m['motion'][:16]}, to {m['text']}" for m in self.agreed]
        return lines


def read_state(store: Store) -> ChainState:
    """Compute the state of an opened ledger.

    Raises:
        LedgerRefusedError: the ledger is empty or damaged.
    """
    state, _ = opening(store)
    for data in read_entries(store):
        entry = Entry.from_bytes(data)
        state.apply(entry)
    if state.head < 0:
        raise LedgerRefusedError(reason="the ledger has no entry yet; start all nodes once")
    return state


def summarise(config: SiteConfig) -> LedgerSummary:
    """Read a site's ledger.

    Raises:
        LedgerRefusedError: there is no ledger yet, or it cannot be read.
    """
    store = read_ledger(config)
    try:
        state = read_state(store)
        notes = store.notes(Table.CHECKPOINTS)
        last = Entry.from_bytes(store.entries(state.head, 1)[0]).body.time
        return LedgerSummary(
            site=config.file.site,
            place=describe_ledger(config),
            first=store.first(),
            head=state.head,
            head_time=f"{datetime.fromtimestamp(last, UTC):%Y-%m-%d %H:%M} UTC" if last else "",
            snapshot=max((note.number for note in notes), default=-1),
            sequencer=state.members().sequencer,
            members=state.members().names,
            budgets=_budgets(state),
            agreed=tuple(
                {"motion": amendment.digest, "text": amendment.text()}
                for amendment in Approvals(config.consents).all()
                if _fits(amendment, state)
            ),
        )
    finally:
        store.close()


def _budgets(state: ChainState) -> tuple[dict[str, str], ...]:
    return tuple(
        {
            "population": population,
            "epsilon": format_decimal(budget.epsilon),
            "sub_budget": name,
            "part": format_decimal(part.epsilon),
            "spent": f"{float(state.privacy_filter.fraction_spent(population, name)):.2%}",
        }
        for population, budget in sorted(state.privacy_filter.populations.items())
        for name, part in sorted(budget.sub_budgets.items())
    )


def _fits(amendment: Amendment, state: ChainState) -> bool:
    try:
        amendment.check_fits(state)
    except AmendmentRejectedError:
        return False
    return True
