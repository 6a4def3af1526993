"""From a request and a complete ledger entry to its attempt: every party's own check.

Layer:       federation.training.rounds.entry_check. Pure: no row, no channel.
Terms:       a run is identified by its request's digest, so that (run, round, attempt) stands in the entry, in the
             manifest and in every ciphertext.
Guarantees:  an attempt follows from an entry that carries exactly the signatures of its cohort and of the sequencer,
             belongs to this consortium, and charges exactly what this party derives for this request, cohort and
             attempt. So site, aggregator and key holder derive the same manifest from the entry, and no party reads a
             manifest from a message.
See instead: whether the entry fits the chain and the budget (the ledger, before it was signed).
Source:      docs/guarantees.md P3, P14, P15.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from federation.aggregation.service import Agreed
from federation.consortium.membership import other_agreement
from federation.errors import ConfigError, RequestRejectedError
from federation.paillier.keys import FULL_EXPONENT
from federation.protocol.request import Request, request_hash
from federation.training.rounds.round_plan import NO_KEY, RoundPlan, RunPlan, Terms, plan_of_request
from privacy_accounting.events import Relation
from privacy_accounting.ledger.budgets import event_text
from privacy_accounting.ledger.contents import Charge, Exact
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.parties.members import Members

if TYPE_CHECKING:
    from collections.abc import Callable

    from federation.consortium.consortium_file import Consortium
    from federation.paillier.keys import PublicKey

SUB_BUDGET: Final = "training"
_KEPT_PLANS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedAttempt:
    """An attempt that a complete entry charges.

    Attributes:
        request: the request.
        entry: the complete entry.
        run_plan: of the request.
        round_plan: of the attempt.
    """

    request: Request
    entry: Entry
    run_plan: RunPlan
    round_plan: RoundPlan


class EntryCheck:
    """One party's check of entries; safe for many threads."""

    def __init__(
        self,
        *,
        party: str,
        consortium: Consortium,
        key: PublicKey | None,
        members: Callable[[Entry], Members],
    ) -> None:
        """Take this party's own configuration.

        Args:
            party: its name, for errors.
            consortium: its own copy of the agreement.
            key: the pinned public key; None where the consortium has no key holder.
            members: the signers of an entry, from the ledger; ``members_of`` where a party holds no ledger.
        """
        self._party, self._consortium, self._key, self._members = party, consortium, key, members
        self._chain, self._configuration = consortium.digest(), consortium.configuration()
        self._plans: dict[str, tuple[Request, RunPlan]] = {}
        self._agreed: OrderedDict[tuple[bytes, bytes], Agreed] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, request: bytes, entry: bytes) -> Agreed:
        """Derive manifest and receivers, as the helpers' services need them; the same bytes are checked once."""
        with self._lock:
            known = self._agreed.get((request, entry))
        if known is not None:
            return known
        attempted = self.attempt_of(request, entry)
        receivers = attempted.run_plan.receivers(attempted.request.analyst)
        agreed = Agreed(manifest=attempted.round_plan.manifest, receivers=frozenset(receivers))
        with self._lock:
            self._agreed[request, entry] = agreed
            while len(self._agreed) > _KEPT_PLANS:
                self._agreed.popitem(last=False)
        return agreed

    def attempt_of(self, request_data: bytes, entry_data: bytes) -> CheckedAttempt:
        """Check an entry and derive its attempt.

        Args:
            request_data: the request's canonical bytes.
            entry_data: the entry with all its signatures.

        Raises:
            LedgerRefusedError: the bytes are not an entry, or it is not complete.
            RequestRejectedError: of another consortium, about another request, or charging something else.
            InvalidRequestError: the request is not a training that can be planned.
            PeerRejectedError: the bytes are not a request.
        """
        entry = Entry.from_bytes(entry_data)
        content = entry.body.content
        if entry.body.chain != self._chain:
            raise self._reject("the entry is of another consortium")
        if not isinstance(content, Charge | Exact) or content.asked.run == "":
            raise self._reject("the entry charges no attempt of a training")
        self._members(entry).check_complete(entry)
        digest = request_hash(request_data)
        if content.asked.request != digest or content.asked.run != digest:
            raise self._reject("the entry is about another request")
        request, run_plan = self.plan_of(request_data)
        asked = content.asked
        named = (asked.population, asked.analyst, asked.purpose, asked.nonce)
        if named != (run_plan.table.population, request.analyst, request.purpose, request.nonce):
            raise self._reject("the entry is not what the request asks for")
        try:
            round_plan = run_plan.attempt(
                run=digest, round_number=asked.round, attempt=asked.attempt, cohort=entry.body.cohort
            )
        except ConfigError as error:
            raise self._reject("; ".join(error.mistakes)) from error
        self._check_content(content, request, run_plan, round_plan)
        return CheckedAttempt(request=request, entry=entry, run_plan=run_plan, round_plan=round_plan)

    def plan_of(self, request_data: bytes) -> tuple[Request, RunPlan]:
        """Read a request and plan its run.

        Raises:
            PeerRejectedError: the bytes are not a request.
            RequestRejectedError: of another configuration, or its plan is not the one that this party derives.
            InvalidRequestError: it is not a training that can be planned.
        """
        digest = request_hash(request_data)
        with self._lock:
            known = self._plans.get(digest)
        if known is not None:
            return known
        request = Request.from_bytes(request_data)
        if request.configuration != self._configuration:
            raise self._reject(f"its configuration {other_agreement(self._consortium)}")
        if request.mechanism is not None:
            raise self._reject("a training names no mechanism: its noise is Gaussian")
        terms = terms_of(self._consortium, str(request.question.get("table")), self._key)
        run_plan = plan_of_request(request, self._consortium.schema, terms)
        if run_plan.digest() != request.plan:
            raise self._reject("this site derives another plan from the request")
        planned = (request, run_plan)
        with self._lock:
            if len(self._plans) >= _KEPT_PLANS:
                self._plans.pop(next(iter(self._plans)))
            self._plans[digest] = planned
        return planned

    def _check_content(
        self, content: Charge | Exact, request: Request, run_plan: RunPlan, round_plan: RoundPlan
    ) -> None:
        if isinstance(content, Exact):
            is_right = round_plan.event is None and content.receivers == run_plan.receivers(request.analyst)
        else:
            event = round_plan.event
            is_right = (
                event is not None
                and content.events == (event_text(event),)
                and content.sub_budget == SUB_BUDGET
            )
        if not is_right:
            raise self._reject("the entry's charge is not the price of its attempt")

    def _reject(self, reason: str) -> RequestRejectedError:
        return RequestRejectedError(site=self._party, reason=reason)


def terms_of(consortium: Consortium, table: str, key: PublicKey | None) -> Terms:
    """Return the consortium's terms for trainings over a table.

    Raises:
        RequestRejectedError: no such table, or its population has no training budget.
    """
    found = consortium.schema.table(table)
    if found is None:
        raise RequestRejectedError(site="", reason=f"table {table} is not in the schema")
    part = consortium.file.budgets[found.population].parts.get(SUB_BUDGET)
    if part is None:
        raise RequestRejectedError(site="", reason=f"population {found.population} has no training budget")
    return Terms(
        sites=consortium.names,
        colluding=consortium.file.colluding,
        relation=Relation(consortium.file.relation),
        delta=consortium.delta_of(found.population) * part.share,
        key_bits=0 if key is None else key.bits,
        key_fingerprint=NO_KEY if key is None else key.fingerprint,
        key_type=FULL_EXPONENT if key is None else key.key_type,
    )


def members_of(consortium: Consortium, entry: Entry) -> Members:
    """Return the members that the consortium file names, for helpers, which hold no ledger.

    The sequencer may have changed since, so the signer beside the cohort counts as the sequencer: every site of the
    cohort has checked that by its own ledger before it signed.

    Args:
        consortium: the agreement.
        entry: the entry with its signatures.

    Returns:
        The members.
    """
    keys = consortium.site_keys
    beside = sorted(set(entry.signatures).intersection(keys).difference(entry.body.cohort))
    among = sorted(set(entry.body.cohort).intersection(keys))
    return Members(keys=keys, sequencer=(beside or among or [consortium.file.sequencer])[0])
