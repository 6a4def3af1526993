"""Preflight: whether every site could take part in a run, with all faults of all sites at once; free.

Layer:       federation.client.questions.preflight, below session.
Guarantees:  nothing is signed, charged or kept by a site. What a site says of its data names a code, a table and a column of
             the agreed schema, and is the same whatever its rows are; the details are for its own administrator.
See instead: what a site checks (``federation.node.preflight``), prices (``quotes``), the doctor (``federation.diagnostics``).
Source:      docs/guarantees.md P3, P19.
"""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

from analytics.errors import InvalidRequestError, ReleaseRefusedError
from analytics.mining.request import MiningRequest
from analytics.schema.data_faults import CODES, REMARKS, UNCHECKED
from analytics.text_tables import as_block, cell_text
from federation.client.questions.named_statistic import PURPOSE, NamedStatistic
from federation.consortium.membership import check_known, restrict_to_members
from federation.errors import PolicyRefusedError, SiteUnavailableError
from federation.node.clock import installed_version
from federation.protocol.error_codes import from_wire, to_wire
from federation.protocol.messages import Health, HealthAsk, PreflightAnswer, PreflightAsk
from federation.protocol.request import Request
from federation.requests.kinds.registry import statistic_kind
from privacy_accounting.errors import BudgetExceededError
from privacy_accounting.ledger.replication.entry_validation import CLOCK_SKEW_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from fractions import Fraction

    import pandas as pd

    from analytics.mining.result import MiningResult
    from analytics.results.result import Result
    from federation.consortium.consortium_file import Consortium
    from federation.protocol.channel_pool import ChannelPool
    from federation.protocol.messages import BudgetAnswer
    from federation.requests.kinds.base import Kind
    from federation.requests.planning import AnyPlanned, Planned
    from federation.training.rounds.round_plan import RunPlan
    from federation.training.task import TrainingTask

A = TypeVar("A")
REFUSED: Final = (PolicyRefusedError, BudgetExceededError, ReleaseRefusedError)
"""What a site refuses by a rule; all else is a fault to be mended."""
DETAILS: Final = "its administrator sees why: crossward doctor --site"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightFinding:
    """One thing that a site or a helper says, or fails to say.

    Attributes:
        node: the site or helper.
        check: reachable, version, agreement, clock, ready, helper, data or request.
        code: a word for machines; of a refused request the name of the error.
        text: one sentence.
        table: of the schema, where it is about data; else empty.
        column: of the schema; empty where it is about the whole table.
        is_fault: whether the run would fail or be refused; else a remark.
        is_refusal: whether a rule of policy or budget refuses, and nothing is broken.
    """

    node: str
    check: str
    code: str
    text: str
    table: str = ""
    column: str = ""
    is_fault: bool = True
    is_refusal: bool = False

    def line(self) -> str:
        """Return it for a terminal."""
        mark = "FIX" if self.is_fault else "-- "
        where = f" {self.table}" * bool(self.table) + f".{self.column}" * bool(self.column)
        return f"{mark} {self.node}: {self.check}{where}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Preflight:
    """What all nodes say of a coming run.

    Attributes:
        nodes: the sites, and the helpers that the run needs.
        findings: in the order of the nodes; empty where all is in order.
    """

    nodes: tuple[str, ...]
    findings: tuple[PreflightFinding, ...]

    @property
    def faults(self) -> tuple[PreflightFinding, ...]:
        """The findings that would keep the run from being answered."""
        return tuple(each for each in self.findings if each.is_fault)

    @property
    def is_ready(self) -> bool:
        """Whether no node has a fault; the answer itself may still be noisy or closed."""
        return not self.faults

    @property
    def frame(self) -> pd.DataFrame:
        """The findings as a frame."""
        import pandas as pd

        names = [each.name for each in fields(PreflightFinding)]
        return pd.DataFrame([asdict(each) for each in self.findings], columns=names)

    def __repr__(self) -> str:
        """Whether it is ready, and how many findings there are."""
        state = "ready" if self.is_ready else "not ready"
        return f"<{type(self).__name__}: {state}; {len(self.findings)} findings at {len(self.nodes)} nodes>"

    def __str__(self) -> str:
        """A line for each finding."""
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return as_block("\n".join(map(cell_text, [repr(self), *self.lines()])))

    def lines(self) -> Iterator[str]:
        """For a terminal: a line a finding, and the nodes without any."""
        for each in self.findings:
            yield each.line()
        bad = {each.node for each in self.findings}
        good = [name for name in self.nodes if name not in bad]
        if good:
            yield f"ok  {', '.join(good)}"

    def to_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "is_ready": self.is_ready,
            "nodes": list(self.nodes),
            "findings": [asdict(each) for each in self.findings],
        }


class Preflights:
    """The part of a session that asks before a run."""

    consortium: Consortium
    analyst: str
    _founded: Consortium
    _pool: ChannelPool
    _answer_s: float
    _sequencer: str

    def _longest(self) -> BudgetAnswer:
        raise NotImplementedError

    def _planned(
        self, text: str, epsilon: object, *, exact: bool, purpose: str, mechanism: str | None = None
    ) -> Planned[Result]:
        raise NotImplementedError

    def _planned_mining(self, request: MiningRequest, purpose: str) -> Planned[MiningResult]:
        raise NotImplementedError

    def _plan(
        self,
        kind: Kind[A],
        question: dict[str, Any],
        *,
        epsilon: Fraction | None,
        purpose: str,
        mechanism: str | None = None,
    ) -> Planned[A]:
        raise NotImplementedError

    def plan_training(self, task: TrainingTask) -> RunPlan:
        """See ``Trains``."""
        raise NotImplementedError

    def preflight(
        self,
        request: str | MiningRequest | TrainingTask | None = None,
        *,
        epsilon: object = None,
        exact: bool = False,
        purpose: str = PURPOSE,
        mechanism: str | None = None,
    ) -> Preflight:
        """Ask every site what would keep it from a run, and return all faults of all sites at once; free.

        Every site opens its data without their rows, as the run will, and checks the request by its own agreement, policy,
        limits and ledger. Whether there are enough rows for an answer is not said: that is data.

        Visible to: this analyst. Each site's administrator sees its own faults in full.
        Cost: nothing; sites keep nothing of the request.

        Args:
            request: SQL, a mining request or a training task; None: no request, all tables of the schema.
            epsilon: of SQL, as ``sql``.
            exact: of SQL, as ``sql``.
            purpose: as ``sql``; a training task has its own.
            mechanism: of SQL, as ``sql``.

        Returns:
            The findings.

        Raises:
            PlanRejectedError, InvalidRequestError, ConfigError: the request cannot be planned at all; errors as ``sql``,
                ``mine`` and ``train``.
        """
        self._follow_members()
        if request is None:
            return self._preflight(b"", self._helpers("dealer", "aggregator", "keyholder"))
        if isinstance(request, str):
            planned: AnyPlanned = self._planned(
                request, epsilon, exact=exact, purpose=purpose, mechanism=mechanism
            )
        elif isinstance(request, MiningRequest):
            planned = self._planned_mining(request, purpose)
        else:
            return self._preflight_training(request)
        return self._preflight(planned.data, self._helpers(*["dealer"] * planned.work.has_products))

    def preflight_statistic(self, name: str, *arguments: object, table: str, **options: object) -> Preflight:
        """``preflight`` of a statistic by its name; arguments as ``statistic``."""
        self._follow_members()
        asked = NamedStatistic.of(name, table, arguments, options).request
        planned = self._plan(statistic_kind(), **asked)
        return self._preflight(planned.data, self._helpers(*["dealer"] * planned.work.has_products))

    def _preflight_training(self, task: TrainingTask) -> Preflight:
        from federation.training.task import KIND, TrainingTask

        if not isinstance(task, TrainingTask):
            raise InvalidRequestError(
                parameter="request", reason="must be SQL, a mining request or a training task"
            )
        request = Request(
            kind=KIND,
            mode=task.mode,
            epsilon=task.epsilon,
            analyst=self.analyst,
            purpose=task.purpose,
            nonce=secrets.token_hex(16),
            configuration=self._founded.configuration(),
            plan=self.plan_training(task).digest(),
            question=task.question(),
        )
        return self._preflight(request.to_bytes(), self._helpers("aggregator", "keyholder"))

    def _follow_members(self) -> None:
        """Leave out a site that the others have removed meanwhile."""
        try:
            present = self._longest()
        except SiteUnavailableError:
            return  # each site is then named by itself
        if present.members and set(present.members) != set(self.consortium.names):
            check_known(self._founded, present.members)
            self.consortium = restrict_to_members(self._founded, present.members, sequencer=present.sequencer)
            self._sequencer = present.sequencer

    def _helpers(self, *roles: str) -> tuple[str, ...]:
        """Return the names of helpers, as far as the consortium has them."""
        file = self.consortium.file
        known = {"dealer": file.dealer, "aggregator": file.aggregator, "keyholder": file.keyholder}
        return tuple(helper.name for role in roles if (helper := known[role]) is not None)

    def _preflight(self, data: bytes, helpers: tuple[str, ...]) -> Preflight:
        sites = self.consortium.names
        nodes = (*sites, *helpers)
        with ThreadPoolExecutor(max_workers=len(nodes)) as threads:
            found = threads.map(
                lambda name: list(self._examined(name, data if name in sites else None, [*sites, *helpers])),
                nodes,
            )
            return Preflight(nodes=nodes, findings=tuple(each for part in found for each in part))

    def _examined(self, name: str, data: bytes | None, needed: list[str]) -> Iterator[PreflightFinding]:
        """Ask one node; without ``data`` it is a helper, which opens no data."""
        try:
            with self._pool.question([name]) as exchange:
                health = exchange.ask_one(name, HealthAsk(), Health, timeout_s=self._answer_s)
                answer = None
                if data is not None:
                    message = PreflightAsk(request=data)
                    answer = exchange.ask_one(name, message, PreflightAnswer, timeout_s=2 * self._answer_s)
        except Exception as error:  # noqa: BLE001  whatever it is, the other nodes are asked all the same
            yield PreflightFinding(node=name, check="reachable", code=_code(error), text=str(error))
            return
        yield from self._state(name, health, [other for other in needed if other != name])
        if answer is not None:
            yield from self._said(name, answer)

    def _state(self, name: str, health: Health, needed: list[str]) -> Iterator[PreflightFinding]:
        """Version, agreement, clock, readiness, and whom it hears."""
        if health.version != installed_version():
            text = f"it runs version {health.version}, this machine {installed_version()}"
            yield PreflightFinding(node=name, check="version", code="version", text=text, is_fault=False)
        known = {self._founded.configuration(), self.consortium.configuration()}
        if health.configuration not in known:
            text = "it runs under another agreement than this session: compare the consortium files, or connect anew"
            yield PreflightFinding(node=name, check="agreement", code="agreement", text=text)
        skew = abs(health.clock_s - int(time.time()))
        if skew > CLOCK_SKEW_S // 2:
            text = f"{skew} s from this machine's; beyond {CLOCK_SKEW_S} s sites sign nothing: set it"
            yield PreflightFinding(node=name, check="clock", code="clock", text=text)
        if not health.is_ready:
            yield PreflightFinding(
                node=name, check="ready", code="not-ready", text=health.reason or "not ready"
            )
        for other in needed:
            if other in health.hears and not health.hears[other]:
                text = f"it hears no heartbeat of {other}; check that it runs, addresses and firewalls"
                yield PreflightFinding(node=name, check="helper", code="unheard", text=text)

    def _said(self, name: str, answer: PreflightAnswer) -> Iterator[PreflightFinding]:
        for failed in answer.refusals:
            error = from_wire(failed.code, failed.fields, site=name)
            is_refusal = isinstance(error, REFUSED)
            yield PreflightFinding(
                node=name, check="request", code=_code(error), text=str(error), is_refusal=is_refusal
            )
        for fault in answer.faults:
            yield self._table_finding(name, fault)

    def _table_finding(self, name: str, fault: Mapping[str, str]) -> PreflightFinding:
        """A fault of a site's data in words of this side; names that the schema does not have are left out."""
        table, column, code = (fault.get(key, "") for key in ("table", "column", "code"))
        declared = self.consortium.schema.tables.get(table)
        is_column = declared is not None and column in declared.columns
        is_fault = code not in REMARKS
        text = CODES.get(code, "a fault that this version does not know")
        return PreflightFinding(
            node=name,
            check="data",
            code=code if code in CODES else "unknown",
            text=text if code == UNCHECKED else f"{text}; {DETAILS}",
            table="" if declared is None else table,
            column=column if is_column else "",
            is_fault=is_fault,
        )


def _code(error: BaseException) -> str:
    return to_wire(error, site="")[0]
