"""The price calculator: reads a document of events and returns its epsilon; it spends nothing.

Layer:       privacy_accounting.audit, beside ``statement``. Pure.
Guarantees:  the vocabulary is the ledger's; numbers are decimal strings (here an exponent is let in, as in
             ``"1e-6"``) or JSON integers, never JSON floats; everything that is wrong is named with its place, all at
             once; no epsilon is lower than the events cost, and one that cannot be computed is infinite.
See instead: reading files and printing (the caller).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from privacy_accounting.decimals import format_decimal, parse_decimal
from privacy_accounting.errors import InvalidCostError
from privacy_accounting.events import Event, Relation, event_or_mistakes, event_to_dict
from privacy_accounting.rdp import pure_epsilon, pure_sum, standalone_epsilon

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_EVENTS: Final = 100_000
_SHOWN: Final = 20
_SCIENTIFIC: Final = re.compile(r"(-?)(0|[1-9][0-9]*)(\.[0-9]+)?[eE]([+-]?[0-9]{1,3})", re.ASCII)
_KEYS: Final = ("relation", "delta", "events")
_DEEPEST: Final = 8
_LARGEST: Final = 10**40
_LONGEST: Final = 400


class PriceDocumentError(InvalidCostError):
    """The document has no price.

    Attributes:
        mistakes: everything that is wrong, each with its place.
    """

    def __init__(self, *, mistakes: list[InvalidCostError]) -> None:
        """Keep all mistakes; the first gives ``what`` and ``reason``, the message shows up to twenty."""
        self.mistakes = tuple(mistakes)
        shown = [str(mistake) for mistake in mistakes[1:_SHOWN]]
        super().__init__(what=mistakes[0].what, reason="; ".join([mistakes[0].reason, *shown]))


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceReport:
    """The joint cost of events.

    Attributes:
        relation: neighboring relation.
        delta: at which epsilon holds.
        epsilon: rounded up; infinite where no order gives one.
        order: Rényi order at which it was found; None where the pure sum or the exact profile is smaller, or nothing is
            finite.
        pure_epsilon: sum of the events' pure epsilons; infinite as for Gaussian noise.
        events: as read.
    """

    relation: Relation
    delta: Fraction
    epsilon: float
    order: Fraction | None
    pure_epsilon: float
    events: tuple[Event, ...]

    def to_dict(self) -> dict[str, object]:
        """Give everything as JSON values; infinity is the text ``infinity``."""
        return {
            "relation": str(self.relation),
            "delta": format_decimal(self.delta),
            "epsilon": _finite(self.epsilon),
            "order": None if self.order is None else float(self.order),
            "pure_epsilon": _finite(self.pure_epsilon),
            "events": [event_to_dict(event) for event in self.events],
        }


def price_document(document: Mapping[str, object] | bytes | str) -> PriceReport:
    """Price a document of events.

    Args:
        document: ``{"relation": ..., "delta": "1e-6", "events": [{"mechanism": ..., ...}]}``, parsed or as
            JSON.

    Returns:
        Epsilon at delta and where it was found.

    Raises:
        PriceDocumentError: something is wrong; carries every mistake.
    """
    mistakes: list[InvalidCostError] = []
    mapping = _mapping(document)
    for key in mapping:
        if key not in _KEYS:
            shown = str(key)[:_SHOWN]
            mistakes.append(InvalidCostError(what=shown, reason="is none of relation, delta, events"))
    mistakes += [InvalidCostError(what=key, reason="is missing") for key in _KEYS if key not in mapping]
    relation = _relation(mapping, mistakes)
    delta = _delta(mapping, mistakes)
    events = _events(mapping, mistakes)
    if relation is None or delta is None or mistakes:
        raise PriceDocumentError(mistakes=mistakes)
    return _priced(events, delta, relation)


def _priced(events: list[Event], delta: Fraction, relation: Relation) -> PriceReport:
    """Price events one by one first, so that each one without a price is named."""
    mistakes: list[InvalidCostError] = []
    for place, event in enumerate(events):
        try:
            pure_epsilon(event, relation)
        except InvalidCostError as error:
            mistakes.append(InvalidCostError(what=f"events[{place}]: {error.what}", reason=error.reason))
    if mistakes:
        raise PriceDocumentError(mistakes=mistakes)
    found = standalone_epsilon(events, delta, relation)
    return PriceReport(
        relation=relation,
        delta=delta,
        epsilon=found.epsilon,
        order=found.order,
        pure_epsilon=pure_sum(events, relation),
        events=tuple(events),
    )


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else "infinity"


def _mapping(document: Mapping[str, object] | bytes | str) -> Mapping[str, object]:
    if isinstance(document, bytes | str):
        if len(document) > MAX_BYTES:
            raise _only("document", f"is longer than {MAX_BYTES} bytes")
        try:
            document = json.loads(document, object_pairs_hook=_no_duplicates)
        except (ValueError, RecursionError) as error:
            raise _only("document", "is not JSON") from error
    if not isinstance(document, Mapping):
        raise _only("document", "must be an object with relation, delta and events")
    return document


def _only(what: str, reason: str) -> PriceDocumentError:
    return PriceDocumentError(mistakes=[InvalidCostError(what=what, reason=reason)])


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _only("document", "holds a key twice in one object")
    return result


def _relation(mapping: Mapping[str, object], mistakes: list[InvalidCostError]) -> Relation | None:
    value = mapping.get("relation")
    if isinstance(value, str) and value in {str(known) for known in Relation}:
        return Relation(value)
    if "relation" in mapping:
        known = ", ".join(map(str, Relation))
        mistakes.append(InvalidCostError(what="relation", reason=f"must be one of {known}"))
    return None


def _delta(mapping: Mapping[str, object], mistakes: list[InvalidCostError]) -> Fraction | None:
    if "delta" not in mapping:
        return None
    value = _plain(mapping["delta"])
    try:
        delta = parse_decimal(value, what="delta") if isinstance(value, str) else None
    except InvalidCostError as error:
        mistakes.append(error)
        return None
    if delta is not None and 0 < delta < 1:
        return delta
    reason = "must be a decimal string" if delta is None else "must be above 0 and below 1"
    mistakes.append(InvalidCostError(what="delta", reason=reason))
    return None


def _events(mapping: Mapping[str, object], mistakes: list[InvalidCostError]) -> list[Event]:
    value, events = mapping.get("events", []), list[Event]()
    if not isinstance(value, list | tuple):
        mistakes.append(InvalidCostError(what="events", reason="must be a list"))
        return events
    if "events" in mapping and not 0 < len(value) <= MAX_EVENTS:
        mistakes.append(InvalidCostError(what="events", reason=f"must hold 1 to {MAX_EVENTS} events"))
        return events
    for place, each in enumerate(value):
        event, found = event_or_mistakes(_plain(each), where=f"events[{place}]")
        mistakes += found
        if event is not None:
            events.append(event)
    return events


def _plain(value: object, depth: int = 0) -> object:
    """Write numbers as the ledger does: exponents spelled out, integers as decimal strings."""
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {key: _plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple) and depth < _DEEPEST:
        return [_plain(inner, depth + 1) for inner in value]
    if type(value) is int and abs(value) < _LARGEST:
        return str(value)
    match = _SCIENTIFIC.fullmatch(value) if isinstance(value, str) else None
    if match is None or (isinstance(value, str) and len(value) > _LONGEST):
        return value
    number = Fraction(match[1] + match[2] + (match[3] or "")) * Fraction(10) ** int(match[4])
    return format_decimal(number)
