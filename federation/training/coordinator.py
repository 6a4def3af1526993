"""The analyst's side of a run: has it accepted by every site, then charges, starts and opens attempt after attempt.

Layer:       federation.training.coordinator, above site_worker and run_state, below ``federation.client``. The analyst's
             thread.
Guarantees:  every site has accepted the request before the first attempt is charged. An attempt is charged before any
             part of it starts. A lost site costs its attempt only: the next attempt is charged for the remaining
             sites; without noise the loss ends the run. A lost helper, a refusal and Ctrl-C end the run with the
             model of the opened rounds and a report of what was spent. Where no round was opened, the error itself is
             raised, with a note on what was charged. Every wait has a deadline.
See instead: the state of the run (``run_state``), what a step does (``strategies``).
Source:      docs/guarantees.md P13, P14.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from analytics.errors import AnalyticsError
from federation.errors import (
    FederationError,
    PolicyRefusedError,
    RequestRejectedError,
    SiteUnavailableError,
)
from federation.protocol.channel_pool import find_sequencer
from federation.protocol.exchange import expect, send
from federation.protocol.messages import Accepted, Ask, AttemptRequest, Charged, QuoteAnswer, QuoteAsk
from federation.protocol.request import REQUEST_TAG, Request, request_hash
from federation.protocol.training_messages import Start, SumAsk, UpdateSent
from federation.training.entry_check import terms_of
from federation.training.helpers import helpers_of, pinned_key
from federation.training.round_plan import NOTICE_EXACT, plan_run
from federation.training.run_state import Ending, Phase, RunState, Step
from federation.training.site_worker import TRAIN, Helpers, fetch_sum
from federation.training.task import KIND
from privacy_accounting.errors import AccountingError, BudgetExceededError, LedgerRefusedError
from smpc.errors import PartyLostError, SmpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from federation.consortium.consortium_file import Consortium
    from federation.identity.certificates import Identity
    from federation.network.channel import Channel, Network
    from federation.protocol.channel_pool import ChannelPool
    from federation.training.optimizer import Descent
    from federation.training.round_plan import RoundPlan, RunPlan
    from federation.training.task import TrainingTask

DIAL_S = 5.0
_FAILURES: Final = (AnalyticsError, FederationError, AccountingError, SmpcError, OSError)
_NOT_CHARGED: Final = (
    BudgetExceededError,
    LedgerRefusedError,
    PolicyRefusedError,
    RequestRejectedError,
    SiteUnavailableError,
)
_IN_DOUBT: Final = "the ledger shows whether the attempt under way was charged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress after each attempt.

    Attributes:
        round_number: rounds opened so far.
        rounds: most attempts of the run.
        n_charged: attempts charged so far.
        cohort: the remaining sites.
        lost: sites that this attempt lost; empty for an opened attempt.
        loss: the loss, where the task pays for it.
        epsilon: spent by the run so far, at the sub-budget's delta; None in exact mode.
        bytes_sent: of updates, by all sites together, so far.
        left_s: seconds until the end, at the pace so far.
    """

    round_number: int
    rounds: int
    n_charged: int
    cohort: tuple[str, ...]
    lost: tuple[str, ...]
    loss: float | None
    epsilon: float | None
    bytes_sent: int
    left_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a run that ended.

    Attributes:
        plan: of the run.
        model: after the last opened round.
        history: opened rounds.
        ending: why it ended.
        failure: what failed, in a sentence; empty where nothing did.
        n_charged: attempts charged, lost ones included.
        epsilon: spent, at the sub-budget's delta; None in exact mode.
        entries: the ledger entries charged, as bytes, in order.
        bytes_sent: of updates, by all sites together.
        seconds: from the first charge to the end.
    """

    plan: RunPlan = field(repr=False)
    model: Descent = field(repr=False)
    history: tuple[Step, ...] = field(repr=False)
    ending: Ending
    n_charged: int
    epsilon: float | None
    entries: tuple[bytes, ...] = field(repr=False)
    bytes_sent: int
    seconds: float
    failure: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether all its rounds were run; otherwise it was cut short."""
        return self.ending is Ending.ROUNDS

    @property
    def notice(self) -> str:
        """The warning to all users of the model; empty for a run with noise."""
        return NOTICE_EXACT if self.plan.task.exact else ""


class Coordinator:
    """Drives one run; ``go`` may be called once."""

    def __init__(
        self,
        *,
        network: Network,
        helpers: Helpers,
        run: RunState,
        request: bytes,
        charge: Callable[[RoundPlan], bytes],
        start_s: float,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        """Take the parts of one run.

        Args:
            network: the analyst's.
            helpers: where opened sums come from.
            run: a fresh state; its cohort are the sites that accepted the request.
            request: the signed request's bytes.
            charge: has an attempt charged and returns the complete entry's bytes. Raises
                ``BudgetExceededError`` when it does not fit, ``SiteUnavailableError`` or ``PartyLostError`` when
                a site is gone and nothing was spent.
            start_s: longest wait for a site's update, local stage included.
            on_progress: called after each attempt.
        """
        self._network, self._helpers, self._run, self._request = network, helpers, run, request
        self._charge, self._start_s, self._on_progress = charge, start_s, on_progress
        self._channels: dict[str, Channel] = {}
        self._bytes_sent = 0
        self._began_s = 0.0
        self._failure = ""

    def go(self) -> Outcome:
        """Run to the end, or until something fails after a round was opened.

        Returns:
            The model and its history.

        Raises:
            BudgetExceededError: the budget pays for less than one round.
            SiteUnavailableError: too few sites for one round, or a helper is gone before one was opened.
            CiphertextInvalidError: what the key holder was to open in the first round failed its checks.
            KeyboardInterrupt: stopped before a round was opened.
        """
        self._began_s = time.monotonic()
        self._check_sites()
        try:
            while self._run.phase is Phase.READY:
                self._one_attempt()
        except (*_FAILURES, KeyboardInterrupt) as error:
            self._break_off(error)
        except Exception as error:
            self._note(error)
            raise
        finally:
            for channel in self._channels.values():
                channel.close()
        return self._outcome()

    def _check_sites(self) -> None:
        """Refuse to start where the remaining sites are too few; nothing was charged."""
        run = self._run
        if run.phase is Phase.OVER:
            gone = sorted(set(run.plan.terms.sites).difference(run.cohort))
            raise SiteUnavailableError(site=", ".join(gone or run.cohort), reason=str(run.ending))

    def _break_off(self, error: BaseException) -> None:
        """End with the model of the opened rounds; raise the error where there is none.

        Raises:
            BaseException: the error itself.
        """
        if not self._run.history:
            self._note(error)
            raise error
        is_stopped = isinstance(error, KeyboardInterrupt)
        said = "Ctrl-C" if is_stopped else str(error)
        self._failure = f"{said}; {_IN_DOUBT}" if self._is_in_doubt(error) else said
        self._run.broken_off(Ending.STOPPED if is_stopped else Ending.FAILED)

    def _note(self, error: BaseException) -> None:
        """Add a note to an error: what was charged before it, if anything."""
        run, is_in_doubt = self._run, self._is_in_doubt(error)
        if run.n_charged == 0 and not is_in_doubt:
            return
        epsilon = run.epsilon
        spent = "" if epsilon is None else f", epsilon {epsilon:.4g} of this run is spent"
        said = [f"{run.n_charged} attempts were charged{spent}; {len(run.history)} rounds were opened"]
        error.add_note("; ".join([*said, *([_IN_DOUBT] if is_in_doubt else [])]))

    def _is_in_doubt(self, error: BaseException) -> bool:
        """Whether an attempt may have been charged although its entry did not arrive."""
        return self._run.phase is Phase.CHARGING and not isinstance(error, _NOT_CHARGED)

    def _one_attempt(self) -> None:
        planned = self._run.next_attempt()
        entry = self._charged(planned)
        if entry is None:
            return
        self._run.charged(planned, entry)
        used = list(self._run.used_attempts)
        lost = self._gather(Start(request=self._request, entry=entry, used_attempts=used), planned)
        if lost:
            self._run.lost(lost)
            self._report(lost, None)
            self._failure = f"lost: {', '.join(lost)}" if self._run.ending is Ending.SITES else ""
            if self._run.ending is Ending.SITES and not self._run.history:
                raise SiteUnavailableError(site=lost[0], reason=str(Ending.SITES))
            return
        attempt = planned.manifest.attempt
        ask = SumAsk(
            run=attempt.run,
            round_number=attempt.round_number,
            attempt=attempt.attempt,
            wait_ms=int(self._helpers.deadline_s * 1000),
        )
        manifest = planned.manifest.digest()
        opened = fetch_sum(self._network, self._helpers, ask, self._run.plan, manifest=manifest)
        step = self._run.opened(opened)
        self._report((), step.loss)

    def _charged(self, planned: RoundPlan) -> bytes | None:
        """Return the complete entry, or None where the run goes on or ends without it."""
        try:
            return self._charge(planned)
        except BudgetExceededError:
            if not self._run.history:
                raise
            self._run.refused()
        except (SiteUnavailableError, PartyLostError) as error:
            gone = error.site if isinstance(error, SiteUnavailableError) else error.name
            if gone not in self._run.cohort:
                raise
            self._run.absent([gone])
            if self._run.phase is Phase.OVER:
                self._failure = f"lost: {gone}"
                if not self._run.history:
                    raise
        return None

    def _gather(self, start: Start, planned: RoundPlan) -> tuple[str, ...]:
        """Start the attempt at every site of the cohort; return the lost sites."""
        lost = [site for site in planned.manifest.cohort if not self._started(site, start)]
        ends_at = time.monotonic() + self._start_s
        for site in planned.manifest.cohort:
            if site in lost:
                continue
            try:
                left_s = max(ends_at - time.monotonic(), 0.01)
                sent = expect(self._channels[site], self._network, UpdateSent, timeout_s=left_s)
                self._bytes_sent += sent.bytes_sent
            except PartyLostError as error:
                if error.name != site:
                    raise
                lost.append(site)
            except SiteUnavailableError as error:  # this site cannot reach another one of the cohort
                if error.site not in planned.manifest.cohort:
                    raise
                lost.append(error.site)
        for site in lost:
            if (channel := self._channels.pop(site, None)) is not None:
                channel.close()
        return tuple(dict.fromkeys(lost))

    def _started(self, site: str, start: Start) -> bool:
        try:
            if site not in self._channels:
                self._channels[site] = self._network.dial(site, TRAIN, DIAL_S)
            send(self._channels[site], start)
        except PartyLostError:
            return False
        return True

    def _report(self, lost: tuple[str, ...], loss: float | None) -> None:
        if self._on_progress is None:
            return
        run = self._run
        pace = (time.monotonic() - self._began_s) / run.n_charged
        left = 0 if run.phase is Phase.OVER else run.plan.task.rounds - run.n_charged
        self._on_progress(
            Progress(
                round_number=len(run.history),
                rounds=run.plan.task.rounds,
                n_charged=run.n_charged,
                cohort=run.cohort,
                lost=lost,
                loss=loss,
                epsilon=run.epsilon,
                bytes_sent=self._bytes_sent,
                left_s=pace * left,
            )
        )

    def _outcome(self) -> Outcome:
        run = self._run
        return Outcome(
            plan=run.plan,
            model=run.model,
            history=tuple(run.history),
            ending=run.ending or Ending.ROUNDS,
            n_charged=run.n_charged,
            epsilon=run.epsilon,
            entries=tuple(run.entries),
            bytes_sent=self._bytes_sent,
            seconds=time.monotonic() - self._began_s,
            failure=self._failure,
        )


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
