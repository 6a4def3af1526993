"""Events and budgets in the form that an entry holds.

Layer:       privacy_accounting.ledger, above ``canonical``. Pure.
Guarantees:  writing and reading are each other's inverse; an event is kept as its canonical text, so that an old
             entry stays byte for byte what it was; a budget that promises more than its (epsilon, delta) permits
             cannot be read.
See instead: choosing an order (``budget.allowance``).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from privacy_accounting.budget.allowance import PopulationBudget, SubBudget
from privacy_accounting.decimals import format_decimal, parse_decimal
from privacy_accounting.errors import AccountingError
from privacy_accounting.events import Event, event_from_dict, event_to_dict
from privacy_accounting.ledger.canonical_json import Fields, encode, malformed, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from fractions import Fraction

MAX_EVENT_BYTES = 16 * 1024
_CACHED_EVENTS = 4096


@functools.lru_cache(maxsize=_CACHED_EVENTS)
def event_text(event: Event) -> str:
    """Write an event as canonical JSON text."""
    return encode(event_to_dict(event)).decode("ascii")


@functools.lru_cache(maxsize=_CACHED_EVENTS)
def read_event(text: str) -> Event:
    """Read an event from its canonical text.

    Raises:
        LedgerRefusedError: the text is not an event of the vocabulary in its canonical spelling.
    """
    try:
        event: Event = event_from_dict(parse(text.encode("ascii"), limit=MAX_EVENT_BYTES))
    except (AccountingError, UnicodeEncodeError) as error:
        raise malformed(f"event: {error}") from error
    if event_text(event) != text:
        raise malformed("event is not in its canonical spelling")
    return event


def decimal_field(fields: Fields, name: str) -> Fraction:
    """Take a strict decimal string, in the one spelling that ``format_decimal`` writes."""
    text = fields.text(name)
    try:
        value = parse_decimal(text)
        spelled = format_decimal(value)
    except AccountingError as error:
        raise malformed(f"{name} is not a decimal") from error
    if spelled != text:
        raise malformed(f"{name} is not in its canonical spelling")
    return value


def budget_to_json(budget: PopulationBudget) -> dict[str, object]:
    """Write a population's budget."""
    return {
        "epsilon": format_decimal(budget.epsilon),
        "delta": format_decimal(budget.delta),
        "sub_budgets": {
            name: {
                "share": format_decimal(part.share),
                "plan": [event_to_dict(event) for event in part.plan],
                "order": format_decimal(part.order),
                "allowance": part.allowance,
            }
            for name, part in budget.sub_budgets.items()
        },
        "purpose_caps": _caps_to_json(budget.purpose_caps),
        "analyst_caps": _caps_to_json(budget.analyst_caps),
    }


def _caps_to_json(caps: Mapping[str, Fraction]) -> dict[str, str]:
    return {name: format_decimal(cap) for name, cap in caps.items()}


def _caps_from_json(mapping: Mapping[str, object]) -> dict[str, Fraction]:
    fields = Fields(dict(mapping), "caps")
    return {name: decimal_field(fields, name) for name in mapping}


def events_from_json(values: Iterable[object], where: str) -> tuple[str, ...]:
    """Read a list of event objects into their canonical texts."""
    texts = []
    for value in values:
        if not isinstance(value, dict):
            raise malformed(f"{where} holds something that is not an event")
        try:
            event = event_from_dict(value)
        except AccountingError as error:
            raise malformed(f"event: {error}") from error
        if event_to_dict(event) != value:
            raise malformed("event is not in its canonical spelling")
        texts.append(event_text(event))
    return tuple(texts)


def budget_from_json(value: object) -> PopulationBudget:
    """Read a population's budget.

    Raises:
        LedgerRefusedError: a field is missing, unknown or mistyped, or the numbers contradict each other.
    """
    fields = Fields(value, "budget")
    epsilon, delta = decimal_field(fields, "epsilon"), decimal_field(fields, "delta")
    parts = fields.mapping("sub_budgets")
    purpose_caps = _caps_from_json(fields.mapping("purpose_caps"))
    analyst_caps = _caps_from_json(fields.mapping("analyst_caps"))
    fields.done()
    try:
        return PopulationBudget(
            epsilon=epsilon,
            delta=delta,
            sub_budgets={name: _part_from_json(part, epsilon, delta) for name, part in parts.items()},
            purpose_caps=purpose_caps,
            analyst_caps=analyst_caps,
        )
    except AccountingError as error:
        raise malformed(str(error)) from error


def _part_from_json(value: object, epsilon: Fraction, delta: Fraction) -> SubBudget:
    fields = Fields(value, "sub-budget")
    share, order = decimal_field(fields, "share"), decimal_field(fields, "order")
    plan = tuple(read_event(text) for text in events_from_json(fields.sequence("plan"), "plan"))
    allowance = fields.integer("allowance", low=1)
    fields.done()
    return SubBudget(
        share=share, epsilon=share * epsilon, delta=share * delta, plan=plan, order=order, allowance=allowance
    )
