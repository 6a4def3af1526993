"""Every cost again, from its event.

Floor:    privacy_accounting.audit, above ``chain``.
Promise:  a charge is right if none of its three figures is lower than this machine computes from the
          events, less 1e-9 of it and one unit; the largest difference upward is told too.
Not here: whether the events are those of the plan (only the sites saw the request), signatures
          (``verify``).
Source:   PRIVACY P4; the accountant's own curves (``rdp``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from privacy_accounting.audit.chain import Progress, open_file, opening, read_entries
from privacy_accounting.ledger.contents import Charge
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.pricing import Price, own_price, price_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from privacy_accounting.ledger.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """One charge, stated and computed again.

    Attributes:
        number: of the entry.
        stated: figures in the entry.
        computed: figures from its events.
    """

    number: int
    stated: Price
    computed: Price

    @property
    def ok(self) -> bool:
        """Whether the entry states no less than its events cost."""
        return self.stated.covers(self.computed)

    @property
    def excess(self) -> float:
        """How much more than computed was charged, as a part of it."""
        return self.stated.cost / self.computed.cost - 1 if self.computed.cost else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecomputeReport:
    """All charges of a ledger.

    Attributes:
        charges: how many were computed again.
        wrong: those that state less than their events cost.
        largest_excess: the largest overcharge, as a part of the cost.
    """

    charges: int
    wrong: tuple[Recomputed, ...]
    largest_excess: float

    @property
    def ok(self) -> bool:
        """Whether no charge is too low."""
        return not self.wrong

    def to_dict(self) -> dict[str, object]:
        """Give everything as JSON values."""
        return asdict(self) | {"ok": self.ok}


def recompute(path: Path, *, progress: Progress | None = None) -> RecomputeReport:
    """Price every charge of a ledger file again.

    Args:
        path: of the file.
        progress: told how many entries were read.

    Returns:
        What was found.

    Raises:
        LedgerRefusedError: the file is no ledger, or its chain does not fold; ``verify`` says where.
    """
    store = open_file(path)
    try:
        return recompute_store(store, progress=progress)
    finally:
        store.close()


def recompute_store(store: Store, *, progress: Progress | None = None) -> RecomputeReport:
    """Price every charge of any store again; errors as ``recompute``."""
    wrong, charges, largest = [], 0, 0.0
    for result in _charges(store, progress):
        charges += 1
        largest = max(largest, result.excess)
        if not result.ok:
            wrong.append(result)
    return RecomputeReport(charges=charges, wrong=tuple(wrong), largest_excess=largest)


def _charges(store: Store, progress: Progress | None) -> Iterator[Recomputed]:
    (state, _), cache = opening(store), dict[tuple[object, ...], Price]()
    for data in read_entries(store):
        entry = Entry.from_bytes(data)
        state.apply(entry.data, entry.body)
        if progress is not None:
            progress(entry.body.number)
        content = entry.body.content
        if isinstance(content, Charge):
            key = (content.events, content.order)
            if key not in cache:
                cache[key] = own_price(content.parsed_events, content.order, state.book.relation)
            yield Recomputed(number=entry.body.number, stated=price_of(content), computed=cache[key])
