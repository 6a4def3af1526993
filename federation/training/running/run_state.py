"""A training run as a pure state machine: rounds, attempts, cohort, and when to stop.

Layer:       federation.training.running.run_state. Pure: no channel, no clock, no ledger.
Terms:       an *attempt* is what is charged; a *step* is an attempt whose sum was opened; a lost attempt stays spent.
Guarantees:  a run never charges more attempts than its task has rounds, so it never costs more than its epsilon,
             whatever is lost. It ends by itself: attempts used up, budget refused, or too few sites. After each loss
             the cohort is the remaining sites, or of announced updates K of them, and the next attempt of the same
             round has a new number; a lost site may be in the cohort of a later round. Without noise the first loss
             ends the run. A failure also ends it, with the model of the rounds so far. A run that is replayed from its
             entries and sums is in the state that it was in; of announced updates all sites are present again.
See instead: which site was lost and why (``coordinator``), what a step does (``optimizer``).
Source:      docs/guarantees.md P13, P14.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from federation.errors import UpdateRejectedError
from federation.training.rounds.cohort_rules import fewest_sites

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from federation.training.rounds.round_plan import RoundPlan, RunPlan
    from privacy_accounting.events import Event


class Phase(StrEnum):
    """The state of a run."""

    READY = "ready"  # the next attempt may be charged
    CHARGING = "in the middle of a charge"  # the ledger alone knows whether the attempt is charged
    CHARGED = "charged"  # an attempt is charged and not yet opened or lost
    OVER = "over"


class Ending(StrEnum):
    """The reason why a run is over."""

    ROUNDS = "all rounds are done"
    BUDGET = "the budget is used up"
    SITES = "fewer sites are left than a round needs"
    FAILED = "it failed on the way"
    STOPPED = "it was stopped on the way"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One opened round of the history.

    Attributes:
        round_number: from 0.
        attempt: the opened attempt.
        cohort: its sites.
        loss: mean loss at the model *before* the step, noise included; None where it was not paid for.
    """

    round_number: int
    attempt: int
    cohort: tuple[str, ...]
    loss: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """What an entry of a run charges.

    Attributes:
        round_number: from 0.
        attempt: from 0 in each round.
        cohort: its sites.
    """

    round_number: int
    attempt: int
    cohort: tuple[str, ...]


class RunState:
    """The state of one run. A method called in the wrong phase raises ``UpdateRejectedError``."""

    def __init__(self, plan: RunPlan, run: str, cohort: Sequence[str]) -> None:
        """Start before the first round.

        Args:
            plan: of the run.
            run: digest of the request.
            cohort: the sites that accepted the request.
        """
        self.plan, self.run = plan, run
        self.cohort = tuple(sorted(cohort))
        self.phase, self.ending = Phase.READY, None
        self.model = plan.start()
        self.history: list[Step] = []
        self.events: list[Event] = []
        self.entries: list[bytes] = []
        self._attempt = 0
        self._under_way: tuple[RoundPlan, bytes] | None = None
        self._check_sites()

    phase: Phase
    ending: Ending | None

    @property
    def used_attempts(self) -> tuple[int, ...]:
        """The opened attempt of each opened round: other parties follow the model by them."""
        return tuple(step.attempt for step in self.history)

    @property
    def n_charged(self) -> int:
        """Attempts charged so far, lost ones included."""
        return len(self.entries)

    @property
    def epsilon(self) -> float | None:
        """Spent by the run so far, at the sub-budget's delta; None in exact mode."""
        return None if self.plan.task.exact else self.plan.epsilon_spent(self.events)

    @property
    def under_way(self) -> tuple[RoundPlan, bytes] | None:
        """The attempt that is charged and neither opened nor lost, with its entry; None where there is none."""
        return self._under_way if self.phase is Phase.CHARGED else None

    @property
    def begins_round(self) -> bool:
        """Whether the next attempt is the first one of a round after the first: a lost site may come back."""
        return bool(self.history) and self._attempt == 0

    def rejoined(self, sites: Iterable[str]) -> None:
        """Note that lost sites accepted the request again: they are in the cohort from the next attempt on."""
        self._expect(Phase.READY)
        self.cohort = tuple(sorted({*self.cohort, *sites}))

    def replay(
        self,
        charged: Sequence[tuple[Charged, bytes]],
        used: Sequence[int],
        sum_of: Callable[[RoundPlan], Sequence[int]],
    ) -> None:
        """Go through an interrupted run up to the place where it stopped.

        Args:
            charged: for every entry its attempt and its bytes, in order.
            used: the opened attempt of each opened round.
            sum_of: gives the opened sum of an attempt.

        Raises:
            UpdateRejectedError: the entries are not those of one run, in order.
        """
        for place, (attempt, entry) in enumerate(charged):
            if self.phase is not Phase.READY or attempt.round_number != len(self.history):
                raise UpdateRejectedError(site="analyst", reason="the entries are not those of one run")
            self._attempt = attempt.attempt
            if self.plan.buffer is None:
                self.cohort = attempt.cohort
            planned = self.next_attempt(attempt.cohort)
            self.charged(planned, entry)
            if attempt.round_number < len(used) and used[attempt.round_number] == attempt.attempt:
                self.opened(sum_of(planned))
            elif place < len(charged) - 1:
                self.lost(())

    def next_attempt(self, cohort: Sequence[str] | None = None) -> RoundPlan:
        """Plan the next attempt; its charge begins.

        Args:
            cohort: the sites whose updates make the next step; None for all present sites.
        """
        self._expect(Phase.READY)
        planned = self.plan.attempt(
            run=self.run,
            round_number=len(self.history),
            attempt=self._attempt,
            cohort=self.cohort if cohort is None else tuple(cohort),
        )
        self.phase = Phase.CHARGING
        return planned

    def charged(self, round_plan: RoundPlan, entry: bytes) -> None:
        """Note that the attempt's entry is complete: it is spent from here on."""
        self._expect(Phase.CHARGING)
        self.entries.append(entry)
        self._under_way = (round_plan, entry)
        if round_plan.event is not None:
            self.events.append(round_plan.event)
        self.phase = Phase.CHARGED

    def opened(self, total: Sequence[int]) -> Step:
        """Take the opened sum, and take the step.

        Args:
            total: shape ``(length,)``.
        """
        self._expect(Phase.CHARGED)
        if len(total) != self.plan.length:
            raise UpdateRejectedError(
                site="keyholder", reason="the opened sum has another length than the plan"
            )
        loss = None
        if self.plan.task.report_loss:
            loss = total[-1] / self.plan.loss_units / self.plan.divisor
        cohort = self.cohort if self._under_way is None else self._under_way[0].manifest.cohort
        step = Step(round_number=len(self.history), attempt=self._attempt, cohort=cohort, loss=loss)
        self.model = self.plan.next(self.model, total)
        self.history.append(step)
        self._attempt, self.phase = 0, Phase.READY
        self._check_rounds()
        return step

    def lost(self, sites: Iterable[str]) -> None:
        """Note that the attempt failed and stays spent; these sites are gone."""
        self._expect(Phase.CHARGED)
        self._attempt, self.phase = self._attempt + 1, Phase.READY
        self._leave(sites)
        self._check_rounds()

    def absent(self, sites: Iterable[str]) -> None:
        """Note that sites were gone before the attempt was charged: nothing is spent."""
        self._expect(Phase.CHARGING)
        self.phase = Phase.READY
        self._leave(sites)

    def left(self, sites: Iterable[str]) -> None:
        """Note that sites are gone before the next attempt is planned: nothing is spent."""
        self._expect(Phase.READY)
        self._leave(sites)

    def refused(self) -> None:
        """End the run with its present model: the budget does not pay for another attempt."""
        self._expect(Phase.CHARGING)
        self._end(Ending.BUDGET)

    def broken_off(self, ending: Ending) -> None:
        """End the run with the model of the opened rounds, after a failure or a stop."""
        self._end(ending)

    def _leave(self, sites: Iterable[str]) -> None:
        gone = set(sites)
        self.cohort = tuple(site for site in self.cohort if site not in gone)
        self._check_sites()

    def _check_sites(self) -> None:
        is_exact, plan = self.plan.task.exact, self.plan
        fewest = fewest_sites(colluding=plan.terms.colluding, exact=is_exact, buffer=plan.buffer)
        if len(self.cohort) < fewest or (is_exact and self.cohort != plan.terms.sites):
            self._end(Ending.SITES)

    def _check_rounds(self) -> None:
        if self.phase is not Phase.OVER and self.plan.is_used_up(self.n_charged):
            self._end(Ending.ROUNDS)

    def _end(self, ending: Ending) -> None:
        if self.phase is not Phase.OVER:
            self.phase, self.ending = Phase.OVER, ending

    def _expect(self, phase: Phase) -> None:
        if self.phase is not phase:
            raise UpdateRejectedError(site="analyst", reason=f"the run is {self.phase}, not {phase}")
