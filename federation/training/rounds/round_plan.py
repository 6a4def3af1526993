"""The plan of one attempt of a round: grid, clip, clamp, noise, layout and price, derived by every party alike.

Layer:       federation.training.rounds.round_plan. Pure: no row, no key's secret, no ledger.
Terms:       a *grid unit* is ``clip_norm / 2**20`` of a gradient (``2**-20`` without a clip). s is the number of
             sites at which one unit may have rows, K the cohort's size, t the number of colluding sites.
Guarantees:  one unit moves a clipped sum of a site by at most ``l2_unit`` in L2 norm, exactly; the noise pays for all
             sums of ``rounds`` attempts at the run's epsilon and the sub-budget's delta (``round_price``). Model and
             strategy are asked by their interfaces alone, and a strategy that an epsilon does not cover is refused
             here (``strategy_rules``), before any charge. Without noise the cohort of every attempt is all sites of the
             agreement: the difference of sums over two cohorts at one model, in one run or two, would be single
             sites' own sums. Two parties with equal configuration derive equal plans from equal requests; no part of
             a plan is a float.
See instead: the computation (``local_update``), the charge (the ledger).
Source:      docs/guarantees.md P3, P4, P6, P7, P13 to P16; truncation is toward zero on the grid.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from analytics.errors import InvalidRequestError
from federation.aggregation.manifest import Attempt, Manifest
from federation.errors import ConfigError
from federation.paillier.keys import FULL_EXPONENT
from federation.paillier.packing import Layout
from federation.paillier.validation import FLOOR_BITS
from federation.training.encodings.picture_features import encode
from federation.training.models.registry import MODELS
from federation.training.models.residual_sums import ResidualSums
from federation.training.models.score_histogram import N_BINS, ScoreHistogram
from federation.training.optimizer import Descent, UpdateRule, check_integers
from federation.training.rounds.cohort_rules import buffer_mistakes, cohort_mistakes
from federation.training.rounds.round_price import Priced, RoundEvent, calibrated, root_up, variance_of
from federation.training.rounds.strategy_rules import strategy_mistakes
from federation.training.strategies.base import RunShape
from federation.training.strategies.collected import Collected
from federation.training.strategies.registry import STRATEGIES
from federation.training.task import KIND, SHARES, TrainingTask, task_of
from privacy_accounting.ledger.budgets import event_text
from privacy_accounting.noise.gaussian import LARGEST_SIGMA2
from privacy_accounting.rdp import epsilon as epsilon_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Schema, Table
    from federation.protocol.request import Request
    from federation.training.encodings.features import Encoding
    from federation.training.models.base import Model
    from federation.training.strategies.base import Strategy
    from privacy_accounting.events import Event, Relation

PLAN_TAG: Final = b"crossward/training-plan/1\n"
GRID: Final = 1 << 20
LOSS_CLIP: Final = 1
NO_KEY: Final = ""
_KEPT: Final = 8
_ELEMENT_BYTES: Final = 8
MAX_PARAMETERS: Final = 1 << 17
NOTICE_EXACT: Final = "no noise is added: training rows may be reconstructed from the sums that are opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The consortium's terms for every training of a population.

    Attributes:
        sites: all of the consortium, sorted.
        colluding: t.
        relation: the neighbouring relation.
        delta: the training sub-budget's, at which epsilon is meant; not used by exact runs.
        key_bits: size of the key holder's modulus.
        key_fingerprint: as the consortium file pins it; ``NO_KEY`` where the consortium has no key holder.
        key_type: of full or of short exponents.
    """

    sites: tuple[str, ...]
    colluding: int
    relation: Relation
    delta: Fraction
    key_bits: int
    key_fingerprint: str
    key_type: str = FULL_EXPONENT


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan:
    """One attempt of a round.

    Attributes:
        manifest: attempt, cohort, layout and key, which are bound into every ciphertext.
        clamp: U, the bound on each coordinate of a site's clipped sum.
        sigma2_local: integer variance of one site's noise in each of its sums; 0 in exact mode.
        event: the charge of this attempt; None in exact mode.
    """

    manifest: Manifest
    clamp: int
    sigma2_local: int
    event: RoundEvent | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """The common part of all attempts of a run.

    Attributes:
        task: the task.
        table: of the schema, whose population pays.
        encoding: of features and target.
        terms: of the consortium.
    """

    task: TrainingTask
    table: Table
    encoding: Encoding
    terms: Terms
    _latest: OrderedDict[tuple[Attempt, tuple[str, ...]], RoundPlan] = field(
        default_factory=OrderedDict, repr=False, compare=False
    )

    @property
    def model(self) -> Model:
        """The task's model, with its options; in an evaluation the histogram of its scores, or the sums of its residuals."""
        model = MODELS[self.task.model].configured(dict(self.task.options))
        if self.task.evaluate is None:
            return model
        counted = ScoreHistogram if self.encoding.outcome.classes else ResidualSums
        return counted(model, self.encoding, self.task.evaluate)

    @property
    def strategy(self) -> Strategy:
        """The task's strategy, or the model's own; in an evaluation the opened sum is kept as it is."""
        if self.task.evaluate is not None:
            return Collected()
        return self.model.own_strategy(self.encoding) or STRATEGIES[self.task.strategy]

    @property
    def is_shared(self) -> bool:
        """Whether the sites add up the updates among themselves, without a key."""
        return self.task.aggregation == SHARES

    @property
    def sum_length(self) -> int:
        """Numbers in a clipped sum: the gradient, and the loss where it is asked for."""
        return self.model.sum_size(self.encoding) + int(self.task.report_loss)

    @property
    def length(self) -> int:
        """Numbers in an update."""
        return self.strategy.length(self.shape)

    @property
    def step(self) -> Fraction:
        """The value of one grid unit of the gradient."""
        return (Fraction(1) if self.task.exact else self.task.clip_norm) / GRID

    @property
    def loss_units(self) -> int:
        """Grid units of a loss of 1; also the most that one unit adds to the loss of a private run."""
        return GRID if self.task.exact else GRID // 2

    @property
    def clamp(self) -> int:
        """U: no coordinate of a site's clipped sum exceeds it while the table is within ``rows_max``."""
        return self.table.rows_max * GRID * (self.model.row_bound if self.task.exact else 1)

    @property
    def l2_unit(self) -> int:
        """Most that one unit adds to one site's integer sum, L2, rounded up."""
        loss = self.loss_units**2 if self.task.report_loss else 0
        return root_up(GRID**2 + loss)

    @property
    def divisor(self) -> int:
        """The public number by which a loss is divided, and a sum where the task names it."""
        return self.task.expected_units or self.table.rows_max * len(self.terms.sites)

    @property
    def rule(self) -> UpdateRule:
        """The update rule of the model, as the strategy steps by it."""
        task = self.task
        rule = UpdateRule(
            width=self.model.size(self.encoding),
            step=self.step,
            divisor=task.expected_units,
            learning_rate=task.learning_rate,
            l2=task.l2,
            momentum=task.momentum,
            n_free=self.model.n_intercepts(self.encoding),
        )
        return self.strategy.rule(rule, dict(task.options), len(self.terms.sites))

    @property
    def buffer(self) -> int | None:
        """K, the number of announced updates that make a step; None where all present sites take part."""
        return self.strategy.buffer(dict(self.task.options))

    @property
    def usual_cohort(self) -> tuple[str, ...]:
        """A cohort of the usual size, for plan and price: all sites, or the first K of them."""
        return self.terms.sites[: self.buffer]

    @property
    def shape(self) -> RunShape:
        """The strategy's view of the run."""
        return RunShape(
            size=self.model.size(self.encoding),
            has_loss=self.task.report_loss,
            rule=self.rule,
            n_sites=len(self.terms.sites),
            clamp=self.clamp,
            options=dict(self.task.options),
            is_private=not self.task.exact,
            n_head=self.model.n_head(self.encoding),
            norms=self.model.norms(self.encoding),
            n_rounds=self.task.rounds,
        )

    def start(self) -> Descent:
        """Return the public model before the first round."""
        return Descent.start(self.rule, self.model.initial(self.encoding))

    def next(self, state: Descent, total: Sequence[int]) -> Descent:
        """Move the public model by an opened sum.

        Raises:
            UpdateRejectedError: the sum is too short, or is not a vector of integers.
        """
        check_integers(total, self.length)
        return self.strategy.next(self.shape, state, total)

    def is_used_up(self, n_charged: int) -> bool:
        """Whether a run that has charged so many attempts, lost ones included, may charge no more.

        The run's epsilon pays for ``rounds`` attempts.
        """
        return n_charged >= self.task.rounds

    def receivers(self, analyst: str) -> tuple[str, ...]:
        """The parties that see each opened sum: the analyst and all sites (P9)."""
        return tuple(sorted({analyst, *self.terms.sites}))

    def event(self, contributors: int) -> RoundEvent | None:
        """Return the price of one attempt of a cohort of this size; None in exact mode.

        Raises:
            InvalidRequestError: no noise reaches this epsilon, or the strategy has no private form.
        """
        if self.task.exact or self.task.epsilon is None:
            return None
        if self.strategy.private_form is None:
            raise InvalidRequestError(parameter="strategy", reason="trains without an epsilon only")
        return calibrated(
            Priced(
                form=self.strategy.private_form,
                contributors=contributors,
                colluding=self.terms.colluding,
                sites_per_unit=self.table.sites_per_unit(contributors),
                l2=self.l2_unit * self.strategy.largest_weight,
                length=self.sum_length,
                n_sums=self.strategy.n_sums(self.shape.options),
                rounds=self.task.rounds,
                epsilon=self.task.epsilon,
                delta=self.terms.delta,
                relation=self.terms.relation,
            )
        )

    def attempt(self, *, run: str, round_number: int, attempt: int, cohort: Sequence[str]) -> RoundPlan:
        """Plan one attempt; a party's admission, check and work use the same plan.

        Args:
            run: digest of the request.
            round_number: from 0.
            attempt: from 0 in each round.
            cohort: the sites that take part.

        Raises:
            ConfigError: too few sites, strangers, without noise any other cohort than all sites, more attempts than
                the run may have, or a slot too small for the sum.
            InvalidRequestError: no noise reaches this epsilon.
        """
        named = Attempt(run=run, round_number=round_number, attempt=attempt)
        known = self._latest.get((named, tuple(cohort)))
        if known is not None:
            return known
        mistakes = cohort_mistakes(
            cohort,
            self.terms.sites,
            colluding=self.terms.colluding,
            exact=self.task.exact,
            buffer=self.buffer,
        )
        if self.task.exact and attempt != 0:
            mistakes.append("attempt: without noise a round has one attempt")
        if self.is_used_up(round_number + attempt):
            mistakes.append(f"attempt: the run has {self.task.rounds} attempts in all")
        if mistakes:
            raise ConfigError(mistakes=mistakes)
        event = self.event(len(cohort))
        sigma2_local = 0 if event is None else variance_of(event)
        if sigma2_local > LARGEST_SIGMA2:
            reason = "needs noise of more than 2^40 grid units a site: give more, or plan fewer rounds"
            raise InvalidRequestError(parameter="epsilon", reason=reason)
        layout = Layout(
            key_bits=FLOOR_BITS if self.is_shared else self.terms.key_bits,
            length=self.length,
            contributors=len(cohort),
            half_range=self.strategy.half_range(self.shape, sigma2_local),
        )
        manifest = Manifest(
            attempt=named,
            cohort=tuple(cohort),
            layout=layout,
            key_fingerprint=NO_KEY if self.is_shared else self.terms.key_fingerprint,
            key_type=SHARES if self.is_shared else self.terms.key_type,
        )
        planned = RoundPlan(manifest=manifest, clamp=self.clamp, sigma2_local=sigma2_local, event=event)
        return self._remember(planned)

    def _remember(self, planned: RoundPlan) -> RoundPlan:
        """Keep the latest plans; several threads may add the same one."""
        self._latest[planned.manifest.attempt, planned.manifest.cohort] = planned
        while len(self._latest) > _KEPT:
            self._latest.popitem(last=False)
        return planned

    def digest(self) -> str:
        """SHA-256 of what the first attempt would be, hexadecimal: two members that plan alike agree on it."""
        first = self.attempt(run="plan", round_number=0, attempt=0, cohort=self.usual_cohort)
        event = None if first.event is None else event_text(first.event)
        fields = [first.manifest.digest(), self.task.rounds, str(first.clamp), str(first.sigma2_local), event]
        return hashlib.sha256(PLAN_TAG + json.dumps(fields).encode("ascii")).hexdigest()

    def epsilon_spent(self, events: Sequence[Event]) -> float:
        """The run's stand-alone epsilon after these events, at the sub-budget's delta; 0 for none."""
        return epsilon_of(events, self.terms.delta, self.terms.relation).epsilon if events else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``--explain``: no site was asked, nothing is spent."""
        first = self.attempt(run="dry-run", round_number=0, attempt=0, cohort=self.usual_cohort)
        layout, event = first.manifest.layout, first.event
        bytes_per_update = layout.count * (self.terms.key_bits // 4)
        if self.is_shared:
            bytes_per_update = _ELEMENT_BYTES * (self.length + 1) * (layout.contributors - 1)
        return {
            "model": self.task.model,
            "strategy": self.task.strategy,
            "parameters": list(self.encoding.labels),
            "n_parameters": self.model.size(self.encoding),
            "rounds": self.task.rounds,
            **({} if self.buffer is None else {"sites_in_an_attempt": self.buffer}),
            "ciphertexts_per_update": 0 if self.is_shared else layout.count,
            "bytes_per_update": bytes_per_update,
            "bytes_per_site": bytes_per_update * self.task.rounds,
            "step": self.strategy.step_sentence(self.shape),
            "receivers": [*self.terms.sites, "the analyst"],
            "mode": self.task.mode,
            "epsilon": None if event is None else self.epsilon_spent([event] * self.task.rounds),
            "epsilon_one_round": None if event is None else self.epsilon_spent([event]),
            "noise_standard_deviation_per_site": math.sqrt(first.sigma2_local) * float(self.rule.step),
            "colluding": self.terms.colluding,
            "relation": str(self.terms.relation),
            **self._warnings(),
        }

    def _warnings(self) -> dict[str, str]:
        found = {}
        if self.task.exact:
            found["notice"] = NOTICE_EXACT
        if self.task.report_loss and self.task.expected_units is None:
            found["warning"] = (
                f"losses are divided by {self.divisor}, rows_max times the sites, an upper bound: over fewer "
                "units they come out too small; expected_units gives a nearer public number"
            )
        return found


def plan_run(task: TrainingTask, schema: Schema, terms: Terms) -> RunPlan:
    """Plan a run over a consortium.

    Args:
        task: the task.
        schema: of the consortium.
        terms: of the consortium and the population.

    Raises:
        ConfigError: with every mistake found: table, features, target, number of sites, size of a slot.
        InvalidRequestError: no noise reaches this epsilon.
    """
    table = schema.table(task.table)
    if table is None:
        raise ConfigError(mistakes=[f"table: {task.table} is not in the schema"])
    model = MODELS[task.model].configured(dict(task.options))
    encoding, mistakes = encode(table, task.features, task.target, model)
    if encoding is None:
        raise ConfigError(mistakes=mistakes)
    size, most = model.size(encoding), max(model.size(encoding), model.sum_size(encoding))
    if size > table.rows_max * len(terms.sites) and not model.may_exceed_rows:
        raise ConfigError(mistakes=["features: there are more of them than the tables may have rows"])
    if task.aggregation != SHARES and terms.key_fingerprint == NO_KEY:
        reason = 'aggregation: the consortium has no key holder; aggregation = "shares" needs none'
        raise ConfigError(mistakes=[reason])
    if most > MAX_PARAMETERS:
        raise ConfigError(
            mistakes=[f"model: has {most} parameters, and at most {MAX_PARAMETERS} can be trained"]
        )
    if task.evaluate is not None and len(task.evaluate) != size:
        raise ConfigError(mistakes=["evaluate: does not fit a model with these features"])
    if task.evaluate is not None and len(encoding.outcome.classes) > N_BINS:
        raise ConfigError(mistakes=[f"evaluate: counts at most {N_BINS} classes"])
    plan = RunPlan(task=task, table=table, encoding=encoding, terms=terms)
    mistakes = strategy_mistakes(
        task, plan.strategy, plan.shape, sum_length=plan.sum_length, colluding=terms.colluding
    )
    mistakes += buffer_mistakes(
        len(terms.sites), colluding=terms.colluding, exact=task.exact, buffer=plan.buffer
    )
    if mistakes:
        raise ConfigError(mistakes=mistakes)
    plan.attempt(run="check", round_number=0, attempt=0, cohort=plan.usual_cohort)
    return plan


def plan_of_request(request: Request, schema: Schema, terms: Terms) -> RunPlan:
    """Plan the run that a request asks for.

    Raises:
        InvalidRequestError: it is not a training request; or with every mistake of its task.
    """
    if request.kind != KIND:
        raise InvalidRequestError(parameter="kind", reason="is not a training")
    try:
        task = task_of(request.question, mode=request.mode, epsilon=request.epsilon, purpose=request.purpose)
        return plan_run(task, schema, terms)
    except ConfigError as error:
        raise InvalidRequestError(parameter="task", reason="; ".join(error.mistakes)) from error
