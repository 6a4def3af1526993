"""One training of an analyst: its request, its acceptance by every site, its run, and its continuation.

Layer:       federation.training.running.training_run, above coordinator and checkpoint, below ``federation.client``.
Guarantees:  every site has accepted the request before the first attempt is charged. A run that goes on is the run of its
             checkpoint: the same request, so that the ledger knows its attempts, and the same plan.
See instead: the attempts (``coordinator``), the state (``run_state``).
Source:      docs/guarantees.md P13, P14.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from federation.errors import ConfigError, FederationError
from federation.protocol.channel_pool import find_sequencer
from federation.protocol.messages import Accepted, Ask, AttemptRequest, Charged, QuoteAnswer, QuoteAsk
from federation.protocol.request import REQUEST_TAG, Request, request_hash
from federation.training.rounds.entry_check import terms_of
from federation.training.rounds.round_plan import plan_run
from federation.training.running.checkpoint import Checkpoint
from federation.training.running.coordinator import Coordinator, Hooks, opened_sum
from federation.training.running.helpers import helpers_for, key_of
from federation.training.running.run_state import RunState
from federation.training.task import KIND, task_of
from privacy_accounting.errors import AccountingError, LedgerRefusedError
from smpc.errors import SmpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from federation.consortium.consortium_file import Consortium
    from federation.identity.certificates import Identity
    from federation.network.channel import Network
    from federation.protocol.channel_pool import ChannelPool
    from federation.training.rounds.round_plan import RoundPlan, RunPlan
    from federation.training.running.outcome import Outcome, Progress
    from federation.training.task import TrainingTask

RETURN_S: Final = 2.0
"""Longest wait for a lost site that may be back (s)."""
RETURN_EVERY_S: Final = 10.0
"""Least time between two such waits (s)."""


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
        checkpoint: Checkpoint | None = None,
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
            checkpoint: of the interrupted run that is to go on; None begins a new run.

        Raises:
            ConfigError: the task does not fit the consortium, with every mistake found; or the checkpoint is of another task.
            InvalidRequestError: no noise pays for this epsilon.
        """
        self._consortium, self._network, self._pool = consortium, network, pool
        self._members, (self._answer_s, self._run_s) = tuple(members), waits_s
        self.plan: RunPlan = plan_run(
            task, consortium.schema, terms_of(consortium, task.table, key_of(consortium))
        )
        self._identity = identity
        self._ask_message = self._new(task) if checkpoint is None else self._earlier(task, checkpoint)
        self._run = request_hash(self._ask_message.request)
        self._state = RunState(self.plan, self._run, self._members)
        self._checkpoint = checkpoint
        self._sequencer = consortium.file.sequencer
        self._asked_back_s = time.monotonic()

    def _new(self, task: TrainingTask) -> Ask:
        request = Request(
            kind=KIND,
            mode=task.mode,
            epsilon=task.epsilon,
            analyst=self._identity.name,
            purpose=task.purpose,
            nonce=secrets.token_hex(16),
            configuration=self._consortium.configuration(),
            plan=self.plan.digest(),
            question=task.question(),
        ).to_bytes()
        return Ask(request=request, signature=self._identity.sign(REQUEST_TAG + request))

    def _earlier(self, task: TrainingTask, checkpoint: Checkpoint) -> Ask:
        """Return the request of an interrupted run.

        Raises:
            ConfigError: it is of another consortium, another task, or another plan.
        """
        request = checkpoint.asked()
        if request.configuration != self._consortium.configuration():
            raise ConfigError(
                mistakes=["the checkpoint is of another consortium, or of an earlier agreement"]
            )
        same = task_of(request.question, mode=request.mode, epsilon=request.epsilon, purpose=request.purpose)
        if same != task or request.plan != self.plan.digest():
            raise ConfigError(mistakes=["the checkpoint is of another task"])
        return Ask(request=checkpoint.request, signature=checkpoint.request_signature)

    def asked(self) -> Training:
        """Have every site accept the request; nothing is charged. Errors as ``Session.train``.

        A run that goes on needs no site that it lost before: such a site may come back in a later round. Where the strategy
        has a buffer, it needs all members again.
        """
        if self._checkpoint is not None:
            self._replay(self._checkpoint)
            members = self._state.cohort
        else:
            members = self._members
        self._sequencer = find_sequencer(self._ask(members))
        return self

    def _replay(self, checkpoint: Checkpoint) -> None:
        """Bring the state to where the run stopped, with the sums that the key holder keeps.

        Raises:
            SiteUnavailableError: the key holder cannot be reached, or has not got a sum any more.
        """
        helpers = helpers_for(self.plan.task, self._consortium)

        def sum_of(planned: RoundPlan) -> Sequence[int]:
            return opened_sum(self._network, helpers, planned, self.plan, 0.0)

        self._state.replay(checkpoint.charged(), checkpoint.used, sum_of)

    def fits(self) -> dict[str, str | bool] | None:
        """Ask the sequencer whether the budget pays for the whole run; None without noise, which costs no epsilon."""
        if self.plan.task.exact:
            return None
        message = QuoteAsk(requests=[self._ask_message.request])
        with self._pool.question([self._sequencer]) as exchange:
            return exchange.ask_one(self._sequencer, message, QuoteAnswer, timeout_s=self._answer_s).rows[0]

    def go(
        self,
        on_progress: Callable[[Progress], None] | None = None,
        on_checkpoint: Callable[[bytes], None] | None = None,
    ) -> Outcome:
        """Run the accepted training; errors as ``Session.train``.

        Args:
            on_progress: called after each attempt.
            on_checkpoint: called with the bytes of a checkpoint when an attempt was charged, and when one was opened.
        """
        hooks = Hooks(returned=self._returned)
        if on_progress is not None:
            hooks = replace(hooks, on_progress=on_progress)
        if on_checkpoint is not None:
            write = on_checkpoint
            hooks = replace(hooks, on_checkpoint=lambda state: write(self.checkpoint(state)))
        driver = Coordinator(
            network=self._network,
            helpers=helpers_for(self.plan.task, self._consortium),
            run=self._state,
            request=self._ask_message.request,
            charge=self._charge,
            start_s=self._run_s,
            hooks=hooks,
        )
        return driver.go()

    def checkpoint(self, state: RunState) -> bytes:
        """Write the checkpoint of a state of this run."""
        found = Checkpoint(
            request=self._ask_message.request,
            request_signature=self._ask_message.signature,
            entries=tuple(state.entries),
            used=state.used_attempts,
        )
        return found.to_bytes(self._identity)

    def _returned(self, cohort: Sequence[str]) -> tuple[str, ...]:
        """Give the lost sites that accept the request again; without noise a run never goes on without a site."""
        gone = [name for name in self._members if name not in cohort]
        now = time.monotonic()
        if not gone or self.plan.task.exact or now < self._asked_back_s + RETURN_EVERY_S:
            return ()
        found = []
        for name in gone:
            try:
                with self._pool.question([name]) as exchange:
                    exchange.ask_one(name, self._ask_message, Accepted, timeout_s=RETURN_S)
            except (FederationError, AccountingError, SmpcError):
                continue
            found.append(name)
        self._asked_back_s = time.monotonic()
        return tuple(found)

    def _ask(self, names: Sequence[str]) -> dict[str, Accepted]:
        """Have sites accept the request."""
        with self._pool.question(names) as exchange:
            answers = exchange.ask_all(self._ask_message, Accepted, timeout_s=self._answer_s)
        return dict(zip(names, answers, strict=True))

    def _charge(self, planned: RoundPlan) -> bytes:
        """Have one attempt charged for its cohort, also where the sequencer has changed since the last attempt."""
        attempt = planned.manifest.attempt
        message = AttemptRequest(
            ask=self._ask_message,
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
