"""Meta-analysis over sites: fixed and random effects, pooled on shares; figures of single sites with the consent of all.

Layer:       analytics.statistics.tables above site_effects and hidden_ratios.
Terms:       each site has an effect y and a weight w, the inverse of its variance (site_effects). The sites' sums are the number
             of usable sites, and the sums of w, w y, w y^2 and w^2, as integers.
Guarantees:  exact mode alone. What opens are the pooled effect, its standard error, Q and tau squared, each rounded on shares to
             three significant digits, and one bit: whether every site is usable, so that each count behind each site's
             effect holds at least the threshold. Which site is not stays on shares. For random effects tau squared opens to
             all sites, which weigh their effects anew with it; then effect and standard error open to the analyst.
             With ``by_site`` the last step also opens each site's effect and standard error. The site rounds both to three
             significant digits and adds them at places of its own, where the others add zero. They are multiplied with the
             same bit on shares: all open, or no figure at all, so none follows from the pooled one and the others'. Every
             site must consent (its policy ``site_results``); where one does not, the request is refused before a charge.
Visible to:  the analyst: the rounded figures and the bit. Of random effects all sites: the pooled ones of the first step.
See instead: mantel_haenszel, which pools tables.
Source:      DerSimonian and Laird 1986; docs/guarantees.md P8, P22.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from analytics.errors import InvalidRequestError, OverflowRiskError
from analytics.schema import BooleanColumn, NumericColumn
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit, column_of
from analytics.statistics.base import EXACT, MINIMUM_CELL, Statistic, Step
from analytics.statistics.epidemiology.meta_analysis_answer import Effect, MetaAnalysisAnswer
from analytics.statistics.epidemiology.site_effects import MEAN_DIFFERENCE, MEASURES, Measure
from smpc.operations.arithmetic import add_public, concatenate, multiply, multiply_public, subtract, take
from smpc.operations.comparison import at_least
from smpc.operations.numeric.normalized import Normalized, is_positive, normalize
from smpc.operations.numeric.significant import Rounding, round_ratio
from smpc.operations.selection import all_of, keep_at_least

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

FIXED: Final = "fixed"
RANDOM: Final = "random"
DIGITS: Final = 3
EFFECT: Final = Rounding(digits=DIGITS, places=7, decades=1)
ERROR: Final = Rounding(digits=DIGITS, places=7, decades=1, is_root=True)
Q: Final = Rounding(digits=DIGITS, places=4, decades=6)
TAU2: Final = Rounding(digits=DIGITS, places=10, decades=2)
_SUM_BITS: Final = 29  # of a sum over all sites: products of two stay in the ring
_WIDE: Final = 61
_OWN: Final = 2  # effect and standard error of one site
_MOST_OWN: Final = 10**EFFECT.places
_EACH: Final = "; the effect of each site too"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaState:
    """What is public between two steps.

    Attributes:
        phase: ``sums`` or ``again`` comes next; ``over`` is the end.
        tau2: in units of ``10^-10`` of the reach's square.
    """

    phase: str
    tau2: int = 0


@dataclass(frozen=True, kw_only=True)
class MetaAnalysis(Statistic[MetaState]):
    """Pooled effects of an exposure.

    Attributes:
        outcome: a true-or-false column; of differences of means a number.
        exposure: a true-or-false column.
        measure: of the effect.
        method: fixed or random.
        by_site: whether each site's effect opens too.
    """

    name: ClassVar[str] = "meta_analysis"
    summary: ClassVar[str] = (
        "fixed and random effects of an exposure over sites; each site's own with the consent of all sites"
    )
    modes: ClassVar = EXACT
    promoted: ClassVar = EXACT
    no_private: ClassVar[str] = (
        "must be exact: a site's noise alone would have to hide its people, which the pooled noise is not made for; "
        "mantel_haenszel pools tables with noise"
    )
    parameters: ClassVar = (
        Parameter(name="outcome", meaning="a true-or-false column; for mean_difference a numeric one"),
        Parameter(name="exposure", meaning="a true-or-false column"),
        Parameter(
            name="measure",
            meaning="odds_ratio, risk_ratio or risk_difference; of a number mean_difference",
            default="odds_ratio",
        ),
        Parameter(name="method", meaning="random, by DerSimonian and Laird, or fixed", default=RANDOM),
        Parameter(
            name="by_site",
            meaning="whether each site's effect opens too; the policy site_results of every site must allow it",
            default=False,
        ),
    )
    outcome: GroupColumn
    exposure: BooleanColumn
    measure: Measure
    method: str
    by_site: bool

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        measure, method = arguments.text("measure"), arguments.text("method")
        if measure not in MEASURES:
            raise InvalidRequestError(parameter="measure", reason=f"must be one of {', '.join(MEASURES)}")
        if method not in {FIXED, RANDOM}:
            raise InvalidRequestError(parameter="method", reason="must be random or fixed")
        outcome = column_of(arguments.text("outcome"), table, "outcome")
        wanted = NumericColumn if measure == MEAN_DIFFERENCE else BooleanColumn
        if not isinstance(outcome, wanted):
            kind = "numeric" if measure == MEAN_DIFFERENCE else "true or false"
            raise InvalidRequestError(parameter="outcome", reason=f"must be {kind} for {measure}")
        exposure = arguments.flag_column("exposure", table)
        if exposure.name == outcome.name:
            raise InvalidRequestError(parameter="exposure", reason="must be another column than the outcome")
        bound = cls(
            table=table,
            mode=mode,
            limits=limits,
            outcome=outcome,
            exposure=exposure,
            measure=Measure(
                name=measure, outcome=outcome, rows_max=limits.rows_max, threshold=limits.threshold
            ),
            method=method,
            by_site=arguments.flag("by_site"),
        )
        if bound.measure.weight_bits > bound.bits:
            raise OverflowRiskError(figure="a weight", bits=bound.measure.weight_bits, limit_bits=bound.bits)
        return bound

    @property
    def columns(self) -> tuple[str, ...]:
        """The outcome and the exposure."""
        return self.outcome.name, self.exposure.name

    @property
    def opens_site_results(self) -> bool:
        """Where it is asked by site."""
        return self.by_site

    @property
    def bits(self) -> int:
        """Binary places of a site's weight."""
        return _SUM_BITS - self.limits.n_sites.bit_length()

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {
            "outcome": self.outcome.name,
            "exposure": self.exposure.name,
            "measure": self.measure.name,
            "method": self.method,
            "by_site": self.by_site,
            "bits": self.bits,
            "weight_bits": self.measure.weight_bits,
            "digits": DIGITS,
        }

    def start(self) -> MetaState:
        """Before the sums."""
        return MetaState(phase="sums")

    def step(self, state: MetaState) -> Step | None:
        """The sums; of random effects once more."""
        if state.phase == "sums":
            return self._first_step()
        return self._second_step(state.tau2) if state.phase == "again" else None

    def every_step(self) -> tuple[Step, ...]:
        """One step, or two."""
        return (self._first_step(), self._second_step(0)) if self.method == RANDOM else (self._first_step(),)

    def advance(self, state: MetaState, opened: Ints) -> MetaState:
        """See ``Statistic``: integers alone."""
        if state.phase == "sums" and self.method == RANDOM and int(opened[-1]) == 1:
            return MetaState(phase="again", tau2=int(opened[3]))
        return MetaState(phase="over")

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> MetaAnalysisAnswer:
        """See ``Statistic``."""
        del noise
        n_sites, first, last = self.limits.n_sites, opened[0], opened[-1]
        if not int(first[-1]) or not int(last[-1]):
            return MetaAnalysisAnswer(measure=self.measure.name, n_sites=n_sites, closed=MINIMUM_CELL)
        reach = self.measure.reach
        effects = [self._effect_of(FIXED, first)]
        if self.method == RANDOM:
            effects.append(self._effect_of(RANDOM, last))
        return MetaAnalysisAnswer(
            measure=self.measure.name,
            n_sites=n_sites,
            effects=tuple(effects),
            q=int(first[2]) / 10**Q.places,
            tau2=int(first[3]) / 10**TAU2.places * reach**2,
            sites=self._sites(last),
        )

    def _sites(self, last: Ints) -> tuple[Effect, ...]:
        """The effects of single sites, which stand before the bit."""
        if not self.by_site:
            return ()
        found = last[-1 - self._n_rows : -1].reshape(-1, _OWN)
        return tuple(self._effect_of(f"site {place}", each) for place, each in enumerate(found, start=1))

    def _effect_of(self, name: str, opened: Ints) -> Effect:
        unit = self.measure.reach / 10**EFFECT.places
        return Effect(name=name, estimate=unit * int(opened[0]), standard_error=unit * int(opened[1]))

    @property
    def _n_rows(self) -> int:
        """Numbers that are about single sites."""
        return self.limits.n_sites * _OWN if self.by_site else 0

    def _first_step(self) -> Step:
        most, is_last = 1 << self.bits, self.method == FIXED
        n_rows = self._n_rows if is_last else 0
        return Step(
            name=f"effects of sites, pooled and rounded to 3 digits{_EACH if n_rows else ''}",
            to="analyst" if is_last else "sites",
            clamps=(1, most, most, most, most, *[_MOST_OWN] * n_rows),
            local=lambda rows: self._with_own(rows, self._sums(rows, 0), n_rows),
            joint=self._open_all,
            n_values=4 + n_rows,
            n_flags=1,
            n_own=_OWN if n_rows else 0,
            has_products=True,
        )

    def _second_step(self, tau2: int) -> Step:
        most, n_rows = 1 << self.bits, self._n_rows
        return Step(
            name=f"random effects of sites, pooled and rounded to 3 digits{_EACH if n_rows else ''}",
            to="analyst",
            clamps=(1, most, most, *[_MOST_OWN] * n_rows),
            local=lambda rows: self._with_own(rows, self._sums(rows, tau2)[:3], n_rows),
            joint=self._open_effect,
            n_values=2 + n_rows,
            n_flags=1,
            n_own=_OWN if n_rows else 0,
            has_products=True,
        )

    # -- one site's rows -----------------------------------------------------------------------------------

    def _sums(self, rows: Ints, tau2: int) -> Ints:
        """Whether this site is usable, and its terms of the sums of w, w y, w y^2 and w^2."""
        found = self.measure.effect(rows[:, 1], rows[:, 2])
        if found is None:
            return np.zeros(5, dtype=np.int64)
        effect, variance = found
        effect = min(max(effect, -1.0), 1.0)
        weight = min(1.0, 2.0**-self.measure.weight_bits / (variance + tau2 / 10**TAU2.places))
        terms = np.array([weight, weight * effect, weight * effect**2, weight**2])
        return np.concatenate([[1], np.rint(terms * 2.0**self.bits)]).astype(np.int64)

    def _with_own(self, rows: Ints, sums: Ints, n_rows: int) -> Ints:
        """The sums, then this site's own effect and standard error where they open; zeros of a site that is not usable."""
        if not n_rows:
            return sums
        effect, variance = self.measure.effect(rows[:, 1], rows[:, 2]) or (0.0, 0.0)
        return np.append(sums, [_rounded(effect), _rounded(math.sqrt(variance))])

    # -- on shares -----------------------------------------------------------------------------------------

    def _open_effect(self, session: Session, sums: Shared) -> Shared:
        """Effect and standard error, and the bit."""
        usable = self._usable(session, sums)
        weight, product = take(sums, [1]), take(sums, [2])
        numbers, signs = normalize(
            session, concatenate([weight, product, self._unit(session, weight)]), _WIDE
        )
        effect, error = self._effect(session, numbers, take(signs, [1]))
        flag = all_of(session, usable, is_positive(session, numbers.at([0])))
        return self._closed(session, [effect, error, *self._rows(sums, 3)], flag)

    def _open_all(self, session: Session, sums: Shared) -> Shared:
        """Effect, standard error, Q and tau squared, and the bit."""
        usable = self._usable(session, sums)
        weight, product = take(sums, [1]), take(sums, [2])
        squares = multiply(
            session, concatenate([take(sums, [3]), product, weight]), concatenate([weight, product, weight])
        )
        apart = subtract(take(squares, [0]), take(squares, [1]))  # Q is this over the weight
        expected = multiply_public(weight, self._expected())
        beyond = keep_at_least(session, subtract(apart, expected), 1, _WIDE + 1)
        spread = subtract(take(squares, [2]), multiply_public(take(sums, [4]), 1 << self.bits))
        apart = keep_at_least(session, apart, 0, _WIDE + 1)
        parts = [weight, product, self._unit(session, weight), apart, beyond, spread]
        numbers, signs = normalize(session, concatenate(parts), _WIDE)
        effect, error = self._effect(session, numbers, take(signs, [1]))
        shift = self.measure.weight_bits - self.bits
        raised = numbers.at([3])
        raised = Normalized(
            mantissa=raised.mantissa, exponent=add_public(session, raised.exponent, shift), low=raised.low
        )
        q = round_ratio(session, raised, numbers.at([0]), Q)
        tau2 = round_ratio(session, numbers.at([4]), numbers.at([5]), TAU2)
        positive = [is_positive(session, numbers.at([place])) for place in (0, 5)]
        figures = [effect, error, q, tau2, *self._rows(sums, 5)]
        return self._closed(session, figures, all_of(session, usable, *positive))

    def _rows(self, sums: Shared, first: int) -> list[Shared]:
        """What is about single sites: it stands behind the sums, from place ``first`` on."""
        return [take(sums, [place]) for place in range(first, sums.size)]

    def _usable(self, session: Session, sums: Shared) -> Shared:
        """Shares of 1 where every site is usable."""
        n_sites = self.limits.n_sites
        return at_least(session, take(sums, [0]), np.array([n_sites]), n_sites.bit_length() + 1)

    def _unit(self, session: Session, weight: Shared) -> Shared:
        """The constant whose ratio to the sum of weights is the effect's variance."""
        return add_public(session, subtract(weight, weight), 1 << (self.bits - self.measure.weight_bits))

    def _expected(self) -> int:
        """What times the sum of weights is the expected numerator of Q: its degrees of freedom, in the unit of the sums."""
        return (self.limits.n_sites - 1) << (self.bits - self.measure.weight_bits)

    def _effect(self, session: Session, numbers: Normalized, sign: Shared) -> tuple[Shared, Shared]:
        """The rounded effect and its standard error, from weight, product and unit."""
        size = round_ratio(session, numbers.at([1]), numbers.at([0]), EFFECT)
        error = round_ratio(session, numbers.at([2]), numbers.at([0]), ERROR)
        return multiply(session, size, sign), error

    def _closed(self, session: Session, figures: list[Shared], flag: Shared) -> Shared:
        """The figures where the bit is 1, else zeros; then the bit."""
        kept = multiply(session, concatenate(figures), concatenate([flag] * len(figures)))
        return concatenate([kept, flag])


def _rounded(value: float) -> int:
    """Three significant digits in the unit of a pooled effect; at most 1, halves away from zero."""
    units = min(abs(value), 1.0) * 10**EFFECT.places
    step = 10 ** max(0, math.floor(math.log10(units)) + 1 - DIGITS) if units >= 1 else 1
    return int(math.copysign(math.floor(units / step + 0.5) * step, value))
