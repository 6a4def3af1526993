"""Answers from the analyst's own store: which releases answer a question, and what a paid answer adds to them.

Layer:       federation.client.kept.kept_answers, above answer_store; below session. Asks the sites through ``Declared`` alone.
Guarantees:  a release is used only where its blocks have the identity that this consortium, these sites, this schema and
             this version of the program give them, and where no entry has declared another version of the table since.
             A store that cannot be trusted refuses the question before its charge.
             A paid answer is never lost: where it cannot be kept, its receipt says why.
See instead: identities and the arithmetic (``analytics.results.reuse``), the file (``answer_store``).
Source:      docs/guarantees.md P23.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from analytics.disclosure.recombine import recombine_answer
from analytics.results.assemble import plan_cost
from analytics.results.reuse import (
    block_identities,
    combine,
    finish_combined,
    is_accurate_enough,
    observations_of,
)
from federation.client.kept.answer_store import AnswerStore, Release
from federation.errors import ConfigError, FederationError
from federation.node.clock import installed_version
from privacy_accounting.decimals import format_decimal
from smpc.errors import PartyLostError, PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from analytics.plans.plan import Plan
    from analytics.results.result import Result
    from analytics.results.reuse import Combined, Observation
    from federation.consortium.consortium_file import Consortium
    from federation.identity.certificates import Identity
    from federation.requests.kinds.query import QueryWork
    from federation.requests.planning import Planned


Declared = Callable[[str], int]
"""Gives the number of the entry that last declared a table's version, by a site's ledger; 0 where none did."""
GAUSSIAN: Final = "gaussian"


class KeptAnswers:
    """The released blocks of one analyst, for private SQL questions."""

    def __init__(self, identity: Identity, declared: Declared) -> None:
        """Open no file yet.

        Args:
            identity: the analyst's.
            declared: asked once where the store has releases of a question: those before that entry are of other rows.
        """
        self.store, self.declared = AnswerStore(identity), declared

    def answer(
        self, planned: Planned[Result], consortium: Consortium, *, fresh: bool, is_promised: bool = False
    ) -> Result | None:
        """Answer a question from the store.

        Args:
            planned: the private question.
            consortium: the agreement among the present members.
            fresh: only check that the store can be used.
            is_promised: use releases with Gaussian noise alone, whose promises follow from their standard deviation.

        Returns:
            The answer; None where it has to be paid for.

        Raises:
            ConfigError: the store was altered or cannot be read.
        """
        releases = self.store.releases()
        if fresh:
            return None
        plan = plan_of(planned)
        identities = identities_of(plan, consortium)
        if not all(_found(releases, identity) for identity in identities):
            return None
        since = self.declared(plan.query.table.name)
        by_block = [_found(releases, identity, since=since) for identity in identities]
        if is_promised:
            by_block = [[each for each in found if each.law.scale is None] for found in by_block]
        if not all(by_block):
            return None
        combined = [combine(found) for found in by_block]
        if not is_accurate_enough(plan, combined):
            return None
        used = _numbers(combined)
        receipt = {
            "analyst": planned.request.analyst,
            "purpose": planned.request.purpose,
            "from_store": _origin(releases, used, combined, is_free=True) | {"sites": list(consortium.names)},
        }
        cost = {name: value for name, value in plan_cost(plan).items() if name != "events"} | {"epsilon": "0"}
        return finish_combined(plan, combined, cost=cost, receipt=receipt)

    def block(self, plan: Plan, number: int, consortium: Consortium) -> Combined | None:
        """Return what was released of one block of a plan; None where nothing was.

        Raises:
            ConfigError: the store was altered or cannot be read.
        """
        releases, identity = self.store.releases(), identities_of(plan, consortium)[number]
        if not _found(releases, identity):
            return None
        found = _found(releases, identity, since=self.declared(plan.query.table.name))
        return combine(found) if found else None

    def paid(
        self,
        planned: Planned[Result],
        answers: Sequence[bytes],
        receipt: Mapping[str, Any],
        consortium: Consortium,
        *,
        fresh: bool,
    ) -> Result:
        """Finish an answer that was paid for, keep it, and combine it with earlier releases of its blocks.

        Args:
            planned: the private question.
            answers: every site's share.
            receipt: of the release.
            consortium: the agreement among the present members.
            fresh: make the answer from this release alone.

        Raises:
            ReleaseRefusedError: the sites' shares do not fit together.
        """
        plan = plan_of(planned)
        alone = planned.work.finish(answers, receipt=receipt)
        observed = observations_of(plan, recombine_answer(plan, answers), int(receipt["number"]))
        identities = identities_of(plan, consortium)
        release = Release(
            number=int(receipt["number"]),
            entry_hash=str(receipt["entry_hash"]),
            time=int(receipt["time"]),
            epsilon="" if plan.epsilon is None else format_decimal(plan.epsilon),
            about={
                "configuration": consortium.configuration(),
                "version": installed_version(),
                "table": plan.query.table.name,
                "question": str(planned.request.question["sql"]),
            },
            blocks=dict(zip(identities, observed, strict=True)),
        )
        try:
            earlier = self.store.releases()
            self.store.add(release)
        except ConfigError as error:
            return replace(alone, receipt={**alone.receipt, "not_kept": "; ".join(error.mistakes)})
        if fresh or not any(_found(earlier, identity) for identity in identities):
            return alone
        try:
            since = self.declared(plan.query.table.name)
        except (FederationError, PartyLostError, PeerRejectedError) as error:  # what is paid for is not lost
            return replace(alone, receipt={**alone.receipt, "not_combined": str(error)})
        combined = [
            combine([*_found(earlier, identity, since=since), new])
            for identity, new in zip(identities, observed, strict=True)
        ]
        used = _numbers(combined)
        if used == {release.number}:
            return alone
        origin = _origin([*earlier, release], used, combined, is_free=False) | {
            "sites": list(consortium.names)
        }
        return finish_combined(plan, combined, cost=alone.cost, receipt={**receipt, "from_store": origin})


def identities_of(plan: Plan, consortium: Consortium) -> tuple[str, ...]:
    """The identity of each block under an agreement, among its present members, for this version of the program."""
    facts = {
        "configuration": consortium.configuration(),
        "cohort": {name: member.public_key for name, member in consortium.file.sites.items()},
        "version": installed_version(),
    }
    return block_identities(plan, facts)


def plan_of(planned: Planned[Result]) -> Plan:
    """The plan of a private SQL question."""
    return cast("QueryWork", planned.work).plan


def _found(releases: Sequence[Release], identity: str, *, since: int = 0) -> list[Observation]:
    """Return every release of a block after an entry; a ledger entry counts once."""
    found = {
        each.entry_hash: each.blocks[identity]
        for each in releases
        if identity in each.blocks and each.number >= since
    }
    return list(found.values())


def _numbers(combined: Sequence[Combined]) -> set[int]:
    return {number for each in combined for number in each.numbers}


def _origin(
    releases: Sequence[Release], used: Collection[int], combined: Sequence[Combined], *, is_free: bool
) -> dict[str, object]:
    """Return what an answer is made from, for its receipt."""
    left_out = {number for each in combined for number in each.left_out}
    return {
        "free": is_free,
        "releases": [
            {"number": each.number, "entry_hash": each.entry_hash, "time": each.time, "epsilon": each.epsilon}
            for each in releases
            if each.number in used
        ],
        "left_out": sorted(left_out),
    }
