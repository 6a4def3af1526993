"""Entry validation: what a site checks of every body before it signs.

Layer:       privacy_accounting.ledger, above ``state``. Pure.
Guarantees:  a site signs only a body that fits its own folded chain, is dated within the allowed skew of its own
             clock, is priced not lower than the site prices the same events itself, and fits into every budget with
             what is in doubt counted as spent.
See instead: the plan behind the events and the site's policy (the caller's ``admit``), signatures already given
             (``replica``).
Source:      docs/guarantees.md P1, P3, P4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from privacy_accounting.errors import ClockDiffersError, LedgerAheadError
from privacy_accounting.ledger.batch import Batch
from privacy_accounting.ledger.changes.order_change import OrderChange
from privacy_accounting.ledger.clock import ClockCorrection
from privacy_accounting.ledger.contents import (
    Cancel,
    Charge,
    Exact,
    Genesis,
    Snapshot,
)
from privacy_accounting.ledger.entries import Body, body_hash
from privacy_accounting.ledger.merkle import merkle_root
from privacy_accounting.ledger.pricing import own_price, price_of
from privacy_accounting.ledger.refusal import Refusal
from privacy_accounting.ledger.state import ChainPosition, ChainState, refuse

CLOCK_SKEW_S: Final = 300
MAX_FIELD: Final = 1_000
UNNAMED: Final = "UnnamedRefusal"  # an error that states no name on the wire

Admit = Callable[[Body], None]
"""The caller's own decision on one body: returns, or raises one of the errors that count as refusals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationContext:
    """The site's own knowledge besides the chain.

    Attributes:
        name: the site that validates.
        now: its clock, in seconds.
        genesis: the genesis body that its own configuration gives, if any.
        hashes: gives all body hashes so far, for a snapshot.
        check_cancel: raises if this site may not give a charge back.
        refusals: errors that count as refusals; anything else is a fault and goes up.
    """

    name: str
    now: int
    genesis: bytes | None
    hashes: Callable[[], Sequence[bytes]]
    check_cancel: Callable[[Cancel], None]
    refusals: tuple[type[Exception], ...]


def describe(error: Exception, entry: int) -> Refusal:
    """Turn an error into a refusal: its wire name and its public fields as text."""
    fields = {
        name: _printable(value)
        for name, value in sorted(vars(error).items())
        if not name.startswith("_") and value is not None
    }
    return Refusal(entry=entry, code=getattr(error, "wire_name", UNNAMED), fields=fields)


def _printable(value: object) -> str:
    text = "".join(character if character.isprintable() else "?" for character in str(value))
    return text.encode("utf-8", "replace").decode("utf-8")[:MAX_FIELD]


def validate_body(
    bodies: Sequence[tuple[bytes, Body]], state: ChainState, context: ValidationContext, admit: Admit
) -> dict[int, Exception]:
    """Validate all bodies of a proposal.

    Args:
        bodies: canonical bytes and body, in order.
        state: the site's folded chain; not changed.
        context: the site's own knowledge.
        admit: the caller's decision, asked for bodies in whose cohort the site is.

    Returns:
        Why each refused body is refused, by its place in the proposal; empty if all may be signed.
    """
    refused: dict[int, Exception] = {}
    place, batch = state.place, Batch()
    for index, (data, body) in enumerate(bodies):
        try:
            state.check(body, place, batch)
            _check_alone(body, len(bodies))
            _check_time(body, place, context)
            _check_content(data, body, state, context)
            _check_words(body)
            if isinstance(body.content, Charge):
                _check_charge(body.content, state, batch)
            if context.name in body.cohort:
                admit(body)
        except context.refusals as error:
            refused[index] = error
        else:
            batch.add(body)
        # A refused body still takes its number, so that the ones behind it are validated on their own merits.
        place = place.after(data, body)
    return refused


def _check_alone(body: Body, count: int) -> None:
    if count > 1 and not isinstance(body.content, Charge | Exact | Cancel):
        raise refuse(f"a {body.kind} entry is proposed alone")


def _check_time(body: Body, place: ChainPosition, context: ValidationContext) -> None:
    """Dates follow the sites' own clocks; where they do not, the entry before shows which one is wrong."""
    ahead = body.time - context.now
    if isinstance(body.content, Genesis) or abs(ahead) <= CLOCK_SKEW_S:
        return
    if body.time == place.time and ahead > 0 and not isinstance(body.content, ClockCorrection):
        raise LedgerAheadError(site=context.name, number=place.number - 1, seconds=ahead)
    raise ClockDiffersError(site=context.name, seconds=-ahead)


def _check_words(body: Body) -> None:
    """Refuse to sign a name or purpose that does not print as it is: every report would show it for ever."""
    content = body.content
    if isinstance(content, Charge | Exact):
        asked = content.asked
        receivers = content.receivers if isinstance(content, Exact) else ()
        for word in (asked.population, asked.analyst, asked.purpose, asked.run, *receivers):
            if not word.isprintable():
                raise refuse("a name or purpose holds a character that does not print")


def _check_content(data: bytes, body: Body, state: ChainState, context: ValidationContext) -> None:
    """Check what only this site can know of the rarer kinds."""
    content = body.content
    if isinstance(content, Genesis) and data != context.genesis:
        raise refuse("the genesis entry differs from this site's own consortium file")
    if isinstance(content, Cancel) and context.name in body.cohort:
        context.check_cancel(content)
    if isinstance(content, OrderChange):
        _check_order(content, state)
    if isinstance(content, Snapshot) and content.root != merkle_root(context.hashes()):
        raise refuse("the snapshot differs from this site's own chain")


def _check_charge(charge: Charge, state: ChainState, batch: Batch) -> None:
    part = state.privacy_filter.sub_budget(charge.asked.population, charge.sub_budget)
    if charge.order != part.order:
        raise refuse("the charge is not priced at the sub-budget's order")
    own = own_price(charge.parsed_events, charge.order, state.privacy_filter.relation)
    if not price_of(charge).covers(own):
        raise refuse("the charge is priced lower than its events cost")
    state.privacy_filter.check(charge.spend, also=batch.spends)


def _check_order(change: OrderChange, state: ChainState) -> None:
    """A new order must count everything ever released at no less than this site prices it there."""
    purposes, analysts = state.privacy_filter.repriced(change.population, change.sub_budget, change.order)
    for stated, own in ((change.purposes, purposes), (change.analysts, analysts)):
        if any(stated.get(name, 0) < units - units // 10**9 - 1 for name, units in own.items()):
            raise refuse("the new order counts less than what was spent")


def bodies_of(datas: Sequence[bytes]) -> list[tuple[bytes, Body]]:
    """Read the bodies of a proposal.

    Raises:
        LedgerRefusedError: one is malformed.
    """
    return [(data, Body.from_bytes(data)) for data in datas]


def hashes_of(bodies: Sequence[tuple[bytes, Body]]) -> list[bytes]:
    """Hash the bodies of a proposal."""
    return [body_hash(data) for data, _ in bodies]
