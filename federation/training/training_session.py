"""The analyst's side of a training: asks every site, then has attempt after attempt charged and run.

Layer:       federation.training.training_session, below ``federation.client``.
Guarantees:  every site has accepted the request before the first attempt is charged. The sequencer charges each
             attempt for its own cohort before any part of it starts (P13, P14).
See instead: rounds and their sums (``federation.training.coordinator``).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from federation.protocol.channel_pool import find_sequencer
from federation.protocol.messages import Accepted, Ask, AttemptRequest, Charged, QuoteAnswer, QuoteAsk
from federation.protocol.request import REQUEST_TAG, Request, request_hash
from federation.training.coordinator import Coordinator
from federation.training.entry_check import terms_of
from federation.training.helpers import helpers_of, pinned_key
from federation.training.round_plan import plan_run
from federation.training.run_state import RunState
from federation.training.task import KIND
from privacy_accounting.errors import LedgerRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from federation.consortium.consortium_file import Consortium
    from federation.identity.certificates import Identity
    from federation.network.channel import Network
    from federation.protocol.channel_pool import ChannelPool
    from federation.training.coordinator import Outcome, Progress
    from federation.training.round_plan import RoundPlan, RunPlan
    from federation.training.task import TrainingTask


class Training:
    """One run, from the request to its end."""

    def __init__(
        self,
        *,
        consortium: Consortium,
        identity: Identity,
        network: Network,
        pool: ChannelPool,
        task: TrainingTask,
        members: Sequence[str],
        waits_s: tuple[float, float],
    ) -> None:
        """Plan the run; no site is asked yet.

        Args:
            consortium: the founding agreement: the helpers, which hold no ledger, plan by it.
            identity: of the analyst.
            network: the analyst's.
            pool: the session's channels.
            task: the task.
            members: the present members.
            waits_s: longest wait for an answer and for an attempt's charge or update (s).

        Raises:
            ConfigError: the task does not fit the consortium, with every mistake found.
            InvalidRequestError: no noise pays for this epsilon.
        """
        self._consortium, self._network, self._pool = consortium, network, pool
        self._members, (self._answer_s, self._run_s) = tuple(members), waits_s
        self.plan: RunPlan = plan_run(
            task, consortium.schema, terms_of(consortium, task.table, pinned_key(consortium))
        )
        request = Request(
            kind=KIND,
            mode=task.mode,
            epsilon=task.epsilon,
            analyst=identity.name,
            purpose=task.purpose,
            nonce=secrets.token_hex(16),
            configuration=consortium.digest(),
            plan=self.plan.digest(),
            question=task.question(),
        ).to_bytes()
        self._request = Ask(request=request, signature=identity.sign(REQUEST_TAG + request))
        self._run = request_hash(request)
        self._sequencer = consortium.file.sequencer

    def asked(self) -> Training:
        """Have every site accept the request; nothing is charged. Errors as ``Session.train``."""
        self._sequencer = find_sequencer(self._ask(self._members))
        return self

    def fits(self) -> dict[str, str | bool] | None:
        """Ask the sequencer whether the budget pays for the whole run; None without noise, which costs no epsilon."""
        if self.plan.task.exact:
            return None
        message = QuoteAsk(requests=[self._request.request])
        with self._pool.question([self._sequencer]) as exchange:
            return exchange.ask_one(self._sequencer, message, QuoteAnswer, timeout_s=self._answer_s).rows[0]

    def go(self, on_progress: Callable[[Progress], None] | None = None) -> Outcome:
        """Run the accepted training; errors as ``Session.train``."""
        driver = Coordinator(
            network=self._network,
            helpers=helpers_of(self._consortium),
            run=RunState(self.plan, self._run, self._members),
            request=self._request.request,
            charge=self._charge,
            start_s=self._run_s,
            on_progress=on_progress,
        )
        return driver.go()

    def _ask(self, names: Sequence[str]) -> dict[str, Accepted]:
        """Have sites accept the request."""
        with self._pool.question(names) as exchange:
            answers = exchange.ask_all(self._request, Accepted, timeout_s=self._answer_s)
        return dict(zip(names, answers, strict=True))

    def _charge(self, planned: RoundPlan) -> bytes:
        """Have one attempt charged for its cohort, also where the sequencer has changed since the last attempt."""
        attempt = planned.manifest.attempt
        message = AttemptRequest(
            ask=self._request,
            round_number=attempt.round_number,
            attempt=attempt.attempt,
            cohort=list(planned.manifest.cohort),
        )
        try:
            return self._charged(message)
        except LedgerRefusedError:
            before = self._sequencer
            # the former sequencer is the first to know its successor
            self._sequencer = self._ask([before])[before].sequencer
            if self._sequencer == before:
                raise
            return self._charged(message)

    def _charged(self, message: AttemptRequest) -> bytes:
        with self._pool.question([self._sequencer]) as exchange:
            return exchange.ask_one(self._sequencer, message, Charged, timeout_s=self._run_s).entry
