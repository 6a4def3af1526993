"""Exact answers of one analyst that can be subtracted from each other.

Layer:       federation.audit, above asked.
Terms:       two requests *differ* where a cell of one shares rows with a cell of the other and is not equal to it, by the
             schema alone.
Guarantees:  for an auditor: the mark follows from the texts and the consortium file and holds no count. For a site's
             administrator: the number of people of that site in each small difference, from its own rows as they are
             now; it leaves the site nowhere. What cannot be compared is said, and never left out.
See instead: the populations (``analytics.plans.populations``), the counts (``analytics.sources.population_overlap``).
Source:      docs/accounting.md, "Exact answers that can be subtracted".
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from analytics.plans.populations import unequal_cells
from analytics.sources.population_overlap import small_parts
from crossward.base_error import CrosswardError
from federation.audit.asked import planned_then
from federation.protocol.request import Request
from federation.requests.question_text import question_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from analytics.plans.populations import Population
    from analytics.sources import LocalTable
    from federation.audit.kept_texts import KeptTexts
    from federation.consortium.consortium_file import Consortium
    from privacy_accounting.audit.statement import Line

MOST_COMPARED: Final = 2_000
"""Pairs of different questions over one table by one analyst."""
MOST_NAMED: Final = 12
NOT_COMPARED: Final = "not compared with other exact answers"
EXACT: Final = "exact"


@dataclass(frozen=True, kw_only=True)
class ExactRequest:
    """One exact request of the ledger, with whom it counts.

    Attributes:
        number: of its entry.
        analyst: who asked.
        question: in one line.
        populations: of its figures; empty where they cannot be compared.
        threshold: the fewest people that an opened figure has behind it.
    """

    number: int = 0
    analyst: str = ""
    question: str = ""
    populations: tuple[Population, ...] = ()
    threshold: int = 0

    @cached_property
    def form(self) -> str:
        """A text that is equal where two requests open figures of the same people."""
        return "\n".join(sorted(population.form for population in self.populations))

    @property
    def table(self) -> str:
        """The table; empty where the request cannot be compared."""
        return self.populations[0].table.name if self.populations else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallDifference:
    """Two exact answers of one analyst between which few people of this site lie.

    Attributes:
        analyst: who asked both.
        first: entry of the earlier answer.
        second: entry of the later answer.
        kind: difference: in whom two cells differ; part: whom both cells share, where one has more.
        first_cell: the cell of the earlier answer, by its public name.
        second_cell: the cell of the later answer.
        people: privacy units of this site in it.
        threshold: fewer than this is few.
        first_question: in one line.
        second_question: in one line.
    """

    analyst: str
    first: int
    second: int
    kind: str
    first_cell: str
    second_cell: str
    people: int
    threshold: int
    first_question: str
    second_question: str


@dataclass(slots=True, kw_only=True)
class DifferenceReport:
    """What a site's administrator sees of pairs of exact answers; it holds counts of this site's rows.

    Attributes:
        site: whose rows were counted.
        small: the smallest first.
        pairs: how many pairs of different answers there are; equal pairs of questions are counted and listed once.
        not_compared: entries of exact answers that could not be compared, or not in full.
    """

    site: str
    small: list[SmallDifference] = field(default_factory=list)
    pairs: int = 0
    not_compared: list[int] = field(default_factory=list)

    @property
    def frame(self) -> pd.DataFrame:
        """The small differences as a frame."""
        import pandas as pd

        names = [each.name for each in fields(SmallDifference)]
        return pd.DataFrame([asdict(each) for each in self.small], columns=names)

    def to_dict(self) -> dict[str, object]:
        """For machines, on the site's own machine."""
        return asdict(self)


def exact_requests(lines: Sequence[Line], kept: KeptTexts, consortium: Consortium) -> list[ExactRequest]:
    """Return the exact requests of a ledger's lines, in their order; attempts of trainings are left out."""
    planned: dict[tuple[str, str, str], ExactRequest] = {}
    found = []
    for line in lines:
        if line.kind == EXACT and not line.run:
            request = _read(kept.texts.get(line.request))
            if request is None:
                known = ExactRequest()
            else:
                form = (request.kind, json.dumps(request.question, sort_keys=True), request.plan)
                known = planned.get(form) or _planned(request, consortium)
                planned[form] = known
            found.append(replace(known, number=line.number, analyst=line.analyst))
    return found


def _read(data: bytes | None) -> Request | None:
    try:
        return None if data is None else Request.from_bytes(data)
    except CrosswardError:
        return None


def _planned(request: Request, consortium: Consortium) -> ExactRequest:
    """Whom a request counts; equal questions have equal populations."""
    found = planned_then(request, consortium)
    if found is None:  # made under another consortium file, or not answered by this version
        return ExactRequest()
    work, then = found[0].work, found[1]
    try:
        populations = work.populations()
    except CrosswardError:
        return ExactRequest()
    return ExactRequest(
        question=question_text(request),
        populations=populations,
        threshold=work.facts.minimum_cell * work.table.sites_per_unit(len(then.names)),
    )


def marks(requests: Sequence[ExactRequest]) -> dict[int, str]:
    """Return, for each exact request, the earlier ones of its analyst that it can be subtracted from, by entry."""
    found: dict[int, str] = {}
    compared = _Compared()
    for request, earlier in _with_earlier(requests):
        numbers = [
            number
            for same in earlier.values()
            if compared.differ(same.first, request)
            for number in same.numbers
        ]
        if numbers:
            found[request.number] = _named(sorted(numbers))
    return found | {each.number: NOT_COMPARED for each in requests if not each.populations}


def remark_of(mark: str) -> str:
    """Return a mark as a remark for people; empty for none."""
    return mark if mark in {"", NOT_COMPARED} else f"can be subtracted from {mark}"


def _named(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - MOST_NAMED} more" if len(numbers) > MOST_NAMED else ""
    return f"entry {', '.join(map(str, numbers[:MOST_NAMED]))}{more}"


class _Compared:
    """Compares forms once; beyond the limit two different forms count as differing."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], bool] = {}

    def differ(self, first: ExactRequest, second: ExactRequest) -> bool:
        forms = (first.form, second.form)
        if forms[0] == forms[1]:
            return False
        known = self._known.get(forms)
        if known is None:
            is_beyond = len(self._known) >= MOST_COMPARED
            known = is_beyond or any(
                unequal_cells(one, other) != frozenset()
                for one in first.populations
                for other in second.populations
            )
            if not is_beyond:
                self._known[forms] = known
        return known


@dataclass(slots=True)
class _Same:
    """Requests of one analyst whose figures count the same people: the first of them, and all entries."""

    first: ExactRequest
    numbers: list[int] = field(default_factory=list)


def _with_earlier(requests: Sequence[ExactRequest]) -> Iterator[tuple[ExactRequest, dict[str, _Same]]]:
    """Give each request with the earlier ones of its analyst over its table, by their forms."""
    before: dict[tuple[str, str], dict[str, _Same]] = {}
    for request in requests:
        if not request.populations:
            continue
        earlier = before.setdefault((request.analyst, request.table), {})
        yield request, earlier
        earlier.setdefault(request.form, _Same(request)).numbers.append(request.number)


def small_differences(
    site: str,
    requests: Sequence[ExactRequest],
    tables: Mapping[str, LocalTable],
    *,
    limit_s: float | None = None,
) -> DifferenceReport:
    """Count a site's own people between exact answers of one analyst; two questions that were asked again are counted once.

    Visible to: the site's administrator alone.

    Args:
        site: whose rows these are.
        requests: of the ledger.
        tables: the site's own tables.
        limit_s: seconds after which a scan is stopped.

    Raises:
        LocalTimeoutError, SourceLostError, SourceFailedError: a scan failed.
    """
    report = DifferenceReport(
        site=site, not_compared=[each.number for each in requests if not each.populations]
    )
    seen: set[tuple[str, ...]] = set()
    for second, earlier in _with_earlier(requests):
        for form, same in earlier.items():
            if form == second.form:
                continue
            report.pairs += len(same.numbers)
            key = (second.analyst, *sorted((form, second.form)))
            if key in seen:
                continue
            is_whole = len(seen) < MOST_COMPARED
            if is_whole:
                seen.add(key)
                found, is_whole = _counted(same.first, second, tables[second.table], limit_s)
                report.small += found
            if not is_whole and second.number not in report.not_compared:
                report.not_compared.append(second.number)
    report.small.sort(key=lambda each: (each.people, each.first, each.second))
    return report


def _counted(
    first: ExactRequest, second: ExactRequest, table: LocalTable, limit_s: float | None
) -> tuple[list[SmallDifference], bool]:
    found: list[SmallDifference] = []
    is_whole = True
    for one in first.populations:
        for other in second.populations:
            parts, is_complete = small_parts(table, one, other, threshold=second.threshold, limit_s=limit_s)
            is_whole &= is_complete
            found += [
                SmallDifference(
                    analyst=second.analyst,
                    first=first.number,
                    second=second.number,
                    kind=part.kind,
                    first_cell=one.label(part.first),
                    second_cell=other.label(part.second),
                    people=part.people,
                    threshold=second.threshold,
                    first_question=first.question,
                    second_question=second.question,
                )
                for part in parts
            ]
    return found, is_whole
