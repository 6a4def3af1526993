"""Contents of entries: one frozen class per kind, each with its exact set of fields.

Layer:       privacy_accounting.ledger, above ``budgets``. Pure.
Terms:       *charge* spends epsilon; *exact* is a disclosure without it; *cancel* gives a charge back, of which
             nothing was released; *budget*, *order*, *members*, *role*, *table*, *agreement*, *clock* change terms;
             *snapshot* pins the state.
Guarantees:  reading refuses a missing, unknown or mistyped field; the field names are those in the bytes.
See instead: whether an entry may be signed (``entry_validation``), how it is written (``entries``).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from privacy_accounting.budget.totals import Spend
from privacy_accounting.decimals import format_decimal
from privacy_accounting.errors import AccountingError, LedgerRefusedError
from privacy_accounting.events import Event, Relation, event_to_dict
from privacy_accounting.ledger.budgets import (
    budget_from_json,
    budget_to_json,
    decimal_field,
    events_from_json,
    read_event,
)
from privacy_accounting.ledger.canonical_json import Fields, malformed
from privacy_accounting.ledger.changes.agreement_change import AgreementChange
from privacy_accounting.ledger.changes.members_change import MembersChange
from privacy_accounting.ledger.changes.order_change import OrderChange
from privacy_accounting.ledger.changes.role_change import RoleChange
from privacy_accounting.ledger.changes.table_version import TableVersion
from privacy_accounting.ledger.clock import ClockCorrection
from privacy_accounting.rdp import INFINITE_UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from fractions import Fraction

    from privacy_accounting.budget.allowance import PopulationBudget

HASH_BYTES: Final = 32
NONCE_BYTES: Final = 16
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
MAX_ROUND: Final = 2**31 - 1
STATE_FORMAT: Final = 3
FORMAT_NAMED: Final = "state format 3, which pins used requests and the history of members too"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The request behind an entry: the part that charges and exact disclosures share.

    Attributes:
        population: whose patients.
        analyst: name in the analyst's certificate.
        purpose: as declared.
        request: SHA-256 of the request, hexadecimal.
        nonce: 16 fresh bytes of the client, hexadecimal.
        request_signature: the analyst's Ed25519 signature over the request, hexadecimal.
        run: training run, empty for a single query.
        round: of the run, 0 for a query.
        attempt: of the round, 0 for a query.
    """

    population: str
    analyst: str
    purpose: str
    request: str
    nonce: str
    request_signature: str
    run: str = ""
    round: int = 0
    attempt: int = 0

    @property
    def once(self) -> tuple[str, str, str, int, int]:
        """The key that may occur in a chain only once."""
        return (self.analyst, self.nonce, self.run, self.round, self.attempt)

    def to_json(self) -> dict[str, object]:
        """Write the fields."""
        return {name: getattr(self, name) for name in Request.__slots__}

    @classmethod
    def read(cls, fields: Fields) -> Request:
        """Take the fields of a request."""
        return cls(
            population=fields.text("population"),
            analyst=fields.text("analyst"),
            purpose=fields.text("purpose"),
            request=fields.hexadecimal("request", HASH_BYTES),
            nonce=fields.hexadecimal("nonce", NONCE_BYTES),
            request_signature=fields.hexadecimal("request_signature", SIGNATURE_BYTES),
            run=fields.text("run", empty=True),
            round=fields.integer("round", high=MAX_ROUND),
            attempt=fields.integer("attempt", high=MAX_ROUND),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Genesis:
    """The first entry: the consortium as its file has it, written identically by every site.

    Attributes:
        consortium: SHA-256 of the consortium file, hexadecimal; also the chain's id.
        members: Ed25519 public key of each site, hexadecimal, under its name.
        sequencer: the site that orders and signs last.
        relation: neighboring relation of every cost.
        delta: of the consortium.
        colluding: number ``t`` of sites whose noise does not count.
        populations: budget of each population.
    """

    consortium: str
    members: Mapping[str, str]
    sequencer: str
    relation: Relation
    delta: Fraction
    colluding: int
    populations: Mapping[str, PopulationBudget]

    def to_json(self) -> dict[str, object]:
        """Write the fields."""
        return {
            "consortium": self.consortium,
            "members": dict(self.members),
            "sequencer": self.sequencer,
            "relation": str(self.relation),
            "delta": format_decimal(self.delta),
            "colluding": self.colluding,
            "populations": {name: budget_to_json(budget) for name, budget in self.populations.items()},
        }

    @classmethod
    def read(cls, fields: Fields) -> Genesis:
        """Take the fields."""
        names = fields.mapping("members")
        keys = Fields(names, "members")
        populations = fields.mapping("populations")
        relation = fields.text("relation")
        if relation not in {str(known) for known in Relation}:
            raise malformed("unknown relation")
        return cls(
            consortium=fields.hexadecimal("consortium", HASH_BYTES),
            members={name: keys.hexadecimal(name, KEY_BYTES) for name in names},
            sequencer=fields.text("sequencer"),
            relation=Relation(relation),
            delta=decimal_field(fields, "delta"),
            colluding=fields.integer("colluding", high=10_000),
            populations={name: budget_from_json(value) for name, value in populations.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Spends epsilon: one release, or one attempt of a training round.

    Attributes:
        asked: who asked for what.
        sub_budget: the filter that pays.
        events: what is released, each event as canonical JSON text.
        order: the sub-budget's fixed order.
        cost: at ``colluding`` sites, in units of ``2**-40`` at that order; this is what is counted.
        cost_all_but_one: the same if all sites but one collude.
        pure_epsilon: in the same unit; ``2**62`` if there is none.
    """

    asked: Request
    sub_budget: str
    events: tuple[str, ...]
    order: Fraction
    cost: int
    cost_all_but_one: int
    pure_epsilon: int

    @property
    def parsed_events(self) -> tuple[Event, ...]:
        """The events as objects."""
        return tuple(read_event(text) for text in self.events)

    @property
    def spend(self) -> Spend:
        """The part that the privacy filter counts."""
        return Spend(
            population=self.asked.population,
            sub_budget=self.sub_budget,
            purpose=self.asked.purpose,
            analyst=self.asked.analyst,
            units=self.cost,
            pure_units=self.pure_epsilon,
            events=self.parsed_events,
        )

    def to_json(self) -> dict[str, object]:
        """Write the fields."""
        return {
            **self.asked.to_json(),
            "sub_budget": self.sub_budget,
            "events": [event_to_dict(read_event(text)) for text in self.events],
            "order": format_decimal(self.order),
            "cost": self.cost,
            "cost_all_but_one": self.cost_all_but_one,
            "pure_epsilon": self.pure_epsilon,
        }

    @classmethod
    def read(cls, fields: Fields) -> Charge:
        """Take the fields."""
        charge = cls(
            asked=Request.read(fields),
            sub_budget=fields.text("sub_budget"),
            events=events_from_json(fields.sequence("events"), "events"),
            order=decimal_field(fields, "order"),
            cost=fields.integer("cost", low=1, high=INFINITE_UNITS - 1),
            cost_all_but_one=fields.integer("cost_all_but_one", low=1, high=INFINITE_UNITS),
            pure_epsilon=fields.integer("pure_epsilon", high=INFINITE_UNITS),
        )
        if not [read_event(text) for text in charge.events]:
            raise malformed("a charge without events")
        return charge


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """A disclosure without epsilon, and who receives it.

    Attributes:
        asked: who asked for what.
        receivers: names of those who see the answer, sorted.
        numbers: most that its plan opens; 0, which is not written, in older entries.
    """

    asked: Request
    receivers: tuple[str, ...]
    numbers: int = 0

    def to_json(self) -> dict[str, object]:
        """Write the fields."""
        numbers = {"numbers": self.numbers} if self.numbers else {}
        return {**self.asked.to_json(), "receivers": list(self.receivers), **numbers}

    @classmethod
    def read(cls, fields: Fields) -> Exact:
        """Take the fields."""
        numbers = fields.integer_or_zero("numbers")
        return cls(asked=Request.read(fields), receivers=fields.names("receivers"), numbers=numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Gives a charge back; only a site that has released nothing signs it.

    Attributes:
        entry: number of the charge or exact disclosure.
        entry_hash: its body hash, hexadecimal.
    """

    entry: int
    entry_hash: str

    def to_json(self) -> dict[str, object]:
        """Write the fields."""
        return {"entry": self.entry, "entry_hash": self.entry_hash}

    @classmethod
    def read(cls, fields: Fields) -> Cancel:
        """Take the fields."""
        return cls(
            entry=fields.integer("entry", low=1), entry_hash=fields.hexadecimal("entry_hash", HASH_BYTES)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChange:
    """Writes the budget of a population: a new one, or a raise of an old one.

    Attributes:
        population: whose patients.
        budget: the whole budget as it holds from here on.
    """

    population: str
    budget: PopulationBudget

    def to_json(self) -> dict[str, object]:
        """Write the fields."""
        return {"population": self.population, "budget": budget_to_json(self.budget)}

    @classmethod
    def read(cls, fields: Fields) -> BudgetChange:
        """Take the fields."""
        return cls(population=fields.text("population"), budget=budget_from_json(fields.mapping("budget")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Pins the folded state, so that a later start-up or an archive can begin here.

    Attributes:
        entries: number of entries before this one.
        root: Merkle root over their body hashes, hexadecimal.
        state: SHA-256 of the folded state, hexadecimal.
    """

    entries: int
    root: str
    state: str

    def to_json(self) -> dict[str, object]:
        """Write the fields."""
        pinned = {"entries": self.entries, "root": self.root, "state": self.state}
        return {"format": STATE_FORMAT, **pinned}

    @classmethod
    def read(cls, fields: Fields) -> Snapshot:
        """Take the fields; a snapshot that pins less is refused with its format."""
        try:
            fields.integer("format", low=STATE_FORMAT, high=STATE_FORMAT)
        except LedgerRefusedError as error:
            raise malformed(f"the snapshot is not of {FORMAT_NAMED}") from error
        return cls(
            entries=fields.integer("entries", low=1),
            root=fields.hexadecimal("root", HASH_BYTES),
            state=fields.hexadecimal("state", HASH_BYTES),
        )


Change: TypeAlias = (
    BudgetChange | OrderChange | MembersChange | RoleChange | TableVersion | AgreementChange | ClockCorrection
)
Content: TypeAlias = Genesis | Charge | Exact | Cancel | Change | Snapshot

KINDS: Final[Mapping[str, type[Content]]] = {
    "genesis": Genesis,
    "charge": Charge,
    "exact": Exact,
    "cancel": Cancel,
    "budget": BudgetChange,
    "order": OrderChange,
    "members": MembersChange,
    "role": RoleChange,
    "table": TableVersion,
    "agreement": AgreementChange,
    "snapshot": Snapshot,
    "clock": ClockCorrection,
}


@functools.cache
def _names() -> dict[type[Content], str]:
    return {content: kind for kind, content in KINDS.items()}


def kind_of(content: Content) -> str:
    """Name the kind of a content, as the bytes spell it."""
    return _names()[type(content)]


def read_content(kind: str, fields: Fields) -> Content:
    """Take the fields of one kind.

    Raises:
        LedgerRefusedError: unknown kind, or a field is missing or wrong.
    """
    if kind not in KINDS:
        raise malformed("unknown kind")
    reader: Callable[[Fields], Content] = KINDS[kind].read
    try:
        return reader(fields)
    except LedgerRefusedError:
        raise
    except AccountingError as error:
        raise malformed(str(error)) from error
