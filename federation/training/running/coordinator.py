"""The analyst's side of a run: has it accepted by every site, then charges, starts and opens attempt after attempt.

Layer:       federation.training.running.coordinator, above site_worker and run_state, below ``federation.client``. The analyst's
             thread.
Guarantees:  every site has accepted the request before the first attempt is charged. An attempt is charged before any
             part of it starts. Where the strategy has a buffer, its cohort is fixed among the sites that announced a
             prepared sum, before the charge. A lost site costs its attempt only: the next attempt is charged for the
             remaining sites; without noise the loss ends the run. A lost helper, a refusal and Ctrl-C end the run with
             the model of the opened rounds and a report of what was spent. Where no round was opened, the error itself
             is raised, with a note on what was charged. Every wait has a deadline.
See instead: the state of the run (``run_state``), what a step does (``strategies``).
Source:      docs/guarantees.md P13, P14.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.errors import AnalyticsError
from federation.aggregation.shared_sum import agreed_total
from federation.errors import (
    FederationError,
    PolicyRefusedError,
    RequestRejectedError,
    SiteUnavailableError,
)
from federation.protocol.exchange import expect, send
from federation.protocol.training_messages import Start, SumAsk, UpdateSent
from federation.training.running.outcome import Outcome, Progress
from federation.training.running.ready_sites import ReadySites
from federation.training.running.run_state import Ending, Phase, RunState
from federation.training.site_worker import TRAIN, Helpers, fetch_sum
from privacy_accounting.errors import AccountingError, BudgetExceededError, LedgerRefusedError
from smpc.errors import PartyLostError, SmpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from federation.network.channel import Channel, Network
    from federation.training.rounds.round_plan import RoundPlan, RunPlan

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


def _nothing(_: object) -> None:
    """Take note of nothing."""


def _none(_: object) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the run's owner does beside it.

    Attributes:
        on_progress: called after each attempt.
        on_checkpoint: called when an attempt was charged and when one was opened; what it raises ends the run.
        returned: gives, before a round, the sites beyond the cohort that have accepted the request again.
    """

    on_progress: Callable[[Progress], None] = _nothing
    on_checkpoint: Callable[[RunState], None] = _nothing
    returned: Callable[[Sequence[str]], Sequence[str]] = _none


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
        hooks: Hooks | None = None,
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
            hooks: what else happens after an attempt and before a round.
        """
        self._network, self._helpers, self._run, self._request = network, helpers, run, request
        self._charge, self._start_s, self._hooks = charge, start_s, hooks or Hooks()
        self._channels: dict[str, Channel] = {}
        self._ready = None
        if run.plan.buffer is not None:
            self._ready = ReadySites(
                network=network, purpose=TRAIN, request=request, limit_s=start_s, dial_s=DIAL_S
            )
        self._bytes_sent = 0
        self._began_s = 0.0
        self._failure = ""

    _ready: ReadySites | None

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
            if self._run.under_way is not None:
                self._go_on(*self._run.under_way)
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
            if self._ready is not None:
                self._ready.close()
        return self._outcome()

    def _check_sites(self) -> None:
        """Refuse to start where the remaining sites are too few; nothing was charged."""
        run = self._run
        if run.phase is Phase.OVER and not run.history:
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
        if self._run.begins_round:
            self._run.rejoined(self._hooks.returned(self._run.cohort))
        cohort = self._run.cohort if self._ready is None else self._announced(self._ready)
        if not cohort:
            return
        planned = self._run.next_attempt(cohort)
        entry = self._charged(planned)
        if entry is None:
            return
        self._run.charged(planned, entry)
        if self._ready is not None:
            self._ready.used(cohort)
        self._hooks.on_checkpoint(self._run)
        self._finish(planned, entry)

    def _announced(self, ready: ReadySites) -> tuple[str, ...]:
        """Return the next cohort of ready sites, before anything is charged; empty where a site was lost instead."""
        cohort, lost = ready.cohort(self._run)
        if lost:
            self._run.left(lost)
            self._without(lost)
        return cohort

    def _without(self, lost: tuple[str, ...]) -> None:
        """Report lost sites.

        Raises:
            SiteUnavailableError: too few are left, and no round was opened.
        """
        self._report(lost, None)
        is_short = self._run.ending is Ending.SITES
        self._failure = f"lost: {', '.join(lost)}" if is_short else ""
        if is_short and not self._run.history:
            raise SiteUnavailableError(site=lost[0], reason=str(Ending.SITES))

    def _go_on(self, planned: RoundPlan, entry: bytes) -> None:
        """Finish the attempt that was under way when the run was interrupted; it was charged, so it is not charged again."""
        try:
            self._open(planned, wait_s=0.0)
        except (
            SiteUnavailableError
        ):  # not opened yet: every site that still has its update sends the same bytes
            try:
                self._finish(planned, entry)
            except LedgerRefusedError:  # a site was started again since: it never computes an attempt twice
                self._failure = "the attempt under way could not be finished"
                self._run.lost(())

    def _finish(self, planned: RoundPlan, entry: bytes) -> None:
        """Have a charged attempt computed by its cohort and opened."""
        used = list(self._run.used_attempts)
        lost = self._gather(Start(request=self._request, entry=entry, used_attempts=used), planned)
        if lost:
            self._run.lost(lost)
            self._without(lost)
            return
        self._open(planned, wait_s=self._helpers.deadline_s)

    def _open(self, planned: RoundPlan, *, wait_s: float) -> None:
        step = self._run.opened(opened_sum(self._network, self._helpers, planned, self._run.plan, wait_s))
        self._hooks.on_checkpoint(self._run)
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
        run = self._run
        pace = (time.monotonic() - self._began_s) / max(1, run.n_charged)
        left = 0 if run.phase is Phase.OVER else run.plan.task.rounds - run.n_charged
        self._hooks.on_progress(
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


def opened_sum(
    network: Network, helpers: Helpers, planned: RoundPlan, plan: RunPlan, wait_s: float
) -> Sequence[int]:
    """Fetch the opened sum of an attempt from the key holder or from the sites; errors as ``fetch_sum``.

    Args:
        network: the analyst's.
        helpers: the key holder and the deadline.
        planned: the attempt.
        plan: of the run.
        wait_s: longest wait until it is opened (s).
    """
    attempt = planned.manifest.attempt
    ask = SumAsk(
        run=attempt.run,
        round_number=attempt.round_number,
        attempt=attempt.attempt,
        wait_ms=int(wait_s * 1000),
    )
    manifest = planned.manifest
    if plan.is_shared:
        return agreed_total(
            network,
            manifest.cohort,
            ask,
            length=plan.length,
            manifest=manifest.digest(),
            deadline_s=helpers.deadline_s,
        )
    return fetch_sum(network, helpers, ask, plan, manifest=manifest.digest())
