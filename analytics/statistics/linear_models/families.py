"""The families of generalised linear models: what a row adds to the sums of a step, and what an answer makes of them.

Layer:       analytics.statistics.linear_models, low.
Terms:       the *odds* are the linear predictor, with the logarithm of the exposure. Of a row the *score* is the slope of its
             log-likelihood in the odds and the *weight* the expected curvature; *extras* are sums that an answer needs
             besides, in units of 64. The *reach* bounds a site's sums: rows times reach.
Guarantees:  logit and Poisson's log link are canonical, so their steps are Newton's; those of the others are Fisher's scoring,
             which converges by a constant factor a step. A family without bounded scores has a reach that holds the sums
             of every fit with an intercept, whose totals equal those of the outcome, four times over; ``is_bounded`` says
             which. Scores of probit and cloglog end at odds of a chance of ``e^-60``. The first point after zero of a log
             link is the fit of the intercept alone: the correctly rounded logarithm of a ratio of opened integers.
See instead: the steps (glm).
Source:      McCullagh and Nelder 1989; names as in ``statsmodels.GLM``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, log_ndtr, xlogy

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import BooleanColumn, NumericColumn
from analytics.statistics.arguments import AS_BOOLEAN

if TYPE_CHECKING:
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints, Limits

Floats = npt.NDArray[np.float64]
POINT_BITS: Final = 40
UNIT: Final = 64  # of extras: no row of a fit that converges has a lower mean log-likelihood
_STEEPEST: Final = 64  # a score of probit or cloglog
_PROBIT_END: Final = 37.0
_CLOGLOG_END: Final = 4.0
_LARGEST: Final = 300.0
_DIGITS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What the extras of a fit say.

    Attributes:
        nobs: rows.
        n_events: sum of a true-or-false outcome or of counts; 0 for others.
        llf: log-likelihood.
        llnull: of the intercept alone.
        deviance: twice the log-likelihood's distance from a saturated fit; of gamma without its scale.
        null_deviance: of the intercept alone.
        pearson_chi2: sum of squared residuals over the variance function; None where it says nothing.
        scale: the dispersion; 1 where the family fixes it.
    """

    nobs: int
    n_events: int
    llf: float
    llnull: float
    deviance: float
    null_deviance: float
    pearson_chi2: float | None = None
    scale: float = 1.0


class Family(ABC):
    """A family with its link.

    Attributes:
        name: as in a request.
        link: likewise.
        ratio: what ``exp`` of a parameter is; empty where it is nothing.
        n_extras: sums beside gradient and Hessian.
        steps: most steps, where a request does not say.
        precision: binary places of the last step.
        has_exposure: whether an exposure may be declared.
        is_bounded: whether a row's figures are bounded at every point.
    """

    name: ClassVar[str]
    link: ClassVar[str]
    ratio: ClassVar[str] = ""
    n_extras: ClassVar[int] = 1
    steps: ClassVar[int] = 8
    precision: ClassVar[int] = 10**7
    has_exposure: ClassVar[bool] = False
    is_bounded: ClassVar[bool] = True

    def check(self, outcome: GroupColumn) -> None:
        """Refuse an outcome of another kind; the default takes a true-or-false column.

        Raises:
            PlanRejectedError: its declaration does not fit.
        """
        if not isinstance(outcome, BooleanColumn):
            reason = f"{outcome.name} must be true or false for {self.name}"
            raise PlanRejectedError(position="formula", reason=reason, hint=AS_BOOLEAN)

    def reach(self, outcome: GroupColumn, limits: Limits) -> int:
        """A site's sums are at most its rows times this."""
        del outcome, limits
        return 1

    def meat_reach(self, outcome: GroupColumn, limits: Limits) -> int:
        """A site's sums of squared scores are at most its rows times this; what is half of it closes the fit."""
        return self.reach(outcome, limits) ** 2

    def values(self, outcome: GroupColumn, rows: Ints) -> Floats:
        """The outcome of rows, as the fit has it."""
        del outcome
        return rows.astype(np.float64)

    def log_scale(self, outcome: GroupColumn) -> float:
        """Logarithm of what ``values`` divides the outcome by."""
        del outcome
        return 0.0

    @abstractmethod
    def row_figures(self, odds: Floats, y: Floats, exposure: Floats) -> tuple[Floats, Floats, Floats]:
        """Score, weight and extras of rows.

        Args:
            odds: shape ``(n,)``.
            y: the outcome, likewise.
            exposure: its logarithm, at most 0, likewise.

        Returns:
            Shapes ``(n,)``, ``(n,)`` and ``(n_extras, n)``.
        """

    def start(self, first: tuple[int, ...], n_parameters: int) -> int | None:
        """The intercept of its fit alone, in ``2^-40``, from the sums at 0; None: Newton's step from 0; no fit: ValueError."""
        del first, n_parameters
        return None

    @abstractmethod
    def measures(self, steps: list[Floats], n_parameters: int, outcome: GroupColumn) -> Measures:
        """What the extras say.

        Args:
            steps: the sums of each step, without their unit.
            n_parameters: the gradient's length.
            outcome: the outcome.
        """


class Logit(Family):
    """Chances of a true-or-false outcome, by log odds."""

    name = "binomial"
    link = "logit"
    ratio = "odds ratio"

    def row_figures(self, odds: Floats, y: Floats, exposure: Floats) -> tuple[Floats, Floats, Floats]:
        """See ``Family``."""
        del exposure
        small = np.exp(-np.abs(odds))
        chance = np.where(odds >= 0, 1.0, small) / (1 + small)
        likely = np.where(y == 1, odds, -odds)  # log odds of what was observed
        return y - chance, small / (1 + small) ** 2, (np.minimum(likely, 0) - np.log1p(small))[np.newaxis]

    def measures(self, steps: list[Floats], n_parameters: int, outcome: GroupColumn) -> Measures:
        """See ``Family``."""
        del outcome
        nobs = round(4 * steps[0][n_parameters])  # at 0 every row weighs a quarter
        return _of_chances(nobs, round(steps[0][0] + nobs / 2), UNIT * float(steps[-1][-1]))


class Probit(Family):
    """Chances by the normal distribution."""

    name = "binomial"
    link = "probit"
    n_extras = 2
    steps = 10
    precision = 10**8

    def reach(self, outcome: GroupColumn, limits: Limits) -> int:
        """See ``Family``."""
        del outcome, limits
        return _STEEPEST

    def row_figures(self, odds: Floats, y: Floats, exposure: Floats) -> tuple[Floats, Floats, Floats]:
        """See ``Family``."""
        del exposure
        odds = np.clip(odds, -_PROBIT_END, _PROBIT_END)
        sign = np.where(y == 1, 1.0, -1.0)
        density = -(odds**2 + math.log(2 * math.pi)) / 2
        likely = log_ndtr(sign * odds)
        weight = np.exp(2 * density - likely - log_ndtr(-sign * odds))
        return sign * np.exp(density - likely), weight, np.stack([likely, y])

    def measures(self, steps: list[Floats], n_parameters: int, outcome: GroupColumn) -> Measures:
        """See ``Family``."""
        del outcome
        # at 0 every row weighs 2 / pi
        nobs = round(math.pi / 2 * steps[0][n_parameters])
        return _of_chances(nobs, round(UNIT * steps[0][-1]), UNIT * float(steps[-1][-2]))


class Cloglog(Family):
    """Chances by the complementary log-log link: ``1 - exp(-exp(odds))``."""

    name = "binomial"
    link = "cloglog"
    n_extras = 2
    steps = 12
    precision = 10**8

    def reach(self, outcome: GroupColumn, limits: Limits) -> int:
        """See ``Family``."""
        del outcome, limits
        return _STEEPEST

    def row_figures(self, odds: Floats, y: Floats, exposure: Floats) -> tuple[Floats, Floats, Floats]:
        """See ``Family``."""
        del exposure
        odds = np.clip(odds, -_PROBIT_END, _CLOGLOG_END)
        hazard = np.exp(odds)
        happens = -np.expm1(-hazard)
        slope = hazard * np.exp(-hazard) / happens
        likely = np.where(y == 1, np.log(happens), -hazard)
        return np.where(y == 1, slope, -hazard), slope * hazard, np.stack([likely, y])

    def measures(self, steps: list[Floats], n_parameters: int, outcome: GroupColumn) -> Measures:
        """See ``Family``."""
        del outcome
        nobs = round(steps[0][n_parameters] * math.expm1(1))  # at 0 every row weighs 1 / (e - 1)
        return _of_chances(nobs, round(UNIT * steps[0][-1]), UNIT * float(steps[-1][-2]))


class Poisson(Family):
    """Counts, by the logarithm of their mean; over an exposure, of their rate."""

    name = "poisson"
    link = "log"
    ratio = "rate ratio"
    n_extras = 4
    steps = 10
    has_exposure = True
    is_bounded = False

    def check(self, outcome: GroupColumn) -> None:
        """Counts are whole numbers from 0 on; a true-or-false outcome is 0 or 1, so that rate ratios are risk ratios."""
        if isinstance(outcome, BooleanColumn):
            return
        if not isinstance(outcome, NumericColumn) or outcome.lower < 0 or outcome.resolution.denominator > 1:
            reason = f"{outcome.name} must be declared as whole numbers of at least 0, or true or false, for poisson"
            raise PlanRejectedError(position="formula", reason=reason)

    def reach(self, outcome: GroupColumn, limits: Limits) -> int:
        """See ``Family``."""
        return 4 * limits.n_sites * max(1, math.ceil(_upper(outcome)))

    def meat_reach(self, outcome: GroupColumn, limits: Limits) -> int:
        """See ``Family``."""
        return 4 * limits.n_sites * max(1, math.ceil(_upper(outcome))) ** 2

    def values(self, outcome: GroupColumn, rows: Ints) -> Floats:
        """Counts."""
        return rows.astype(np.float64) * _step(outcome)

    def row_figures(self, odds: Floats, y: Floats, exposure: Floats) -> tuple[Floats, Floats, Floats]:
        """See ``Family``; extras: log-likelihood, that of a saturated fit, Pearson's sum, rows."""
        mean = np.exp(np.clip(odds + exposure, -_LARGEST, _LARGEST))
        fixed = gammaln(y + 1)
        likely = y * (odds + exposure) - mean - fixed
        extras = [likely, xlogy(y, y) - y - fixed, (y - mean) ** 2 / mean, np.ones(len(y))]
        return y - mean, mean, np.stack(extras)

    def start(self, first: tuple[int, ...], n_parameters: int) -> int | None:
        """See ``Family``: at 0 the mean is the exposure."""
        return log_of_ratio(first[0] + first[n_parameters], first[n_parameters])

    def measures(self, steps: list[Floats], n_parameters: int, outcome: GroupColumn) -> Measures:
        """See ``Family``; the second step was at the fit of the intercept alone."""
        del outcome
        llf, full, pearson, rows = (UNIT * steps[-1][-4:]).tolist()
        llnull = UNIT * float(steps[1][-4])
        return Measures(
            nobs=round(rows),
            n_events=round(steps[0][0] + steps[0][n_parameters]),
            llf=llf,
            llnull=llnull,
            deviance=2 * (full - llf),
            null_deviance=2 * (full - llnull),
            pearson_chi2=pearson,
        )


class Gamma(Family):
    """Positive numbers whose standard deviation is proportional to the mean, by its logarithm."""

    name = "gamma"
    link = "log"
    ratio = "ratio of means"
    n_extras = 3
    steps = 15
    precision = 10**8
    is_bounded = False

    def check(self, outcome: GroupColumn) -> None:
        """Numbers above 0."""
        if not isinstance(outcome, NumericColumn) or outcome.lower <= 0:
            reason = f"{outcome.name} must be declared with a lower bound above 0 for gamma"
            raise PlanRejectedError(position="formula", reason=reason)

    def reach(self, outcome: GroupColumn, limits: Limits) -> int:
        """See ``Family``."""
        del outcome
        return 4 * limits.n_sites

    def meat_reach(self, outcome: GroupColumn, limits: Limits) -> int:
        """See ``Family``."""
        return UNIT * self.reach(outcome, limits)

    def values(self, outcome: GroupColumn, rows: Ints) -> Floats:
        """Parts of the upper bound."""
        return rows.astype(np.float64) * (_step(outcome) / _upper(outcome))

    def log_scale(self, outcome: GroupColumn) -> float:
        """The upper bound's."""
        return math.log(_upper(outcome))

    def row_figures(self, odds: Floats, y: Floats, exposure: Floats) -> tuple[Floats, Floats, Floats]:
        """See ``Family``; extras: log of outcome over mean, log of the outcome, Pearson's sum."""
        del exposure
        log_ratio = np.log(y) - odds
        ratio = np.exp(np.clip(log_ratio, -_LARGEST, _LARGEST))
        return ratio - 1, np.ones(len(y)), np.stack([log_ratio, np.log(y), (ratio - 1) ** 2])

    def start(self, first: tuple[int, ...], n_parameters: int) -> int | None:
        """See ``Family``."""
        return log_of_ratio(first[0] + first[n_parameters], first[n_parameters])

    def measures(self, steps: list[Floats], n_parameters: int, outcome: GroupColumn) -> Measures:
        """See ``Family``; the mean of outcome over fitted mean is 1."""
        nobs = round(steps[0][n_parameters])
        log_ratio, logs, pearson = (UNIT * steps[-1][-3:]).tolist()
        null_ratio = UNIT * float(steps[1][-3])
        scale = pearson / max(nobs - n_parameters, 1)
        logs += nobs * math.log(_upper(outcome))
        fixed = -logs - nobs * float(gammaln(1 / scale)) - nobs * (math.log(scale) + 1) / scale
        return Measures(
            nobs=nobs,
            n_events=0,
            llf=log_ratio / scale + fixed,
            llnull=null_ratio / scale + fixed,
            deviance=-2 * log_ratio,
            null_deviance=-2 * null_ratio,
            pearson_chi2=pearson,
            scale=scale,
        )


FAMILIES: Final[tuple[Family, ...]] = (Logit(), Probit(), Cloglog(), Poisson(), Gamma())


def family_of(name: str, link: str | None) -> Family:
    """The family of a request; without a link its first one.

    Raises:
        InvalidRequestError: there is none.
    """
    named = [each for each in FAMILIES if each.name == name]
    if not named:
        known = ", ".join(dict.fromkeys(each.name for each in FAMILIES))
        raise InvalidRequestError(parameter="family", reason=f"must be one of {known}, gaussian")
    linked = [each for each in named if link in {None, each.link}]
    if not linked:
        known = ", ".join(each.link for each in named)
        raise InvalidRequestError(parameter="link", reason=f"must be one of {known} for {name}")
    return linked[0]


def log_of_ratio(above: int, below: int) -> int:
    """The logarithm of a ratio, in ``2^-40``: the same integer on every machine.

    Raises:
        ValueError: the ratio is not above 0.
    """
    if above <= 0 or below <= 0:
        raise ValueError
    context = Context(prec=_DIGITS)
    ratio = context.divide(Decimal(above), Decimal(below))
    return int(context.multiply(context.ln(ratio), Decimal(1 << POINT_BITS)).to_integral_value())


def _upper(outcome: GroupColumn) -> float:
    return float(outcome.upper) if isinstance(outcome, NumericColumn) else 1.0


def _step(outcome: GroupColumn) -> float:
    return float(outcome.resolution) if isinstance(outcome, NumericColumn) else 1.0


def _of_chances(nobs: int, n_events: int, llf: float) -> Measures:
    counts = (n_events, nobs - n_events)
    llnull = sum(count * math.log(count / nobs) for count in counts if count)
    return Measures(
        nobs=nobs, n_events=n_events, llf=llf, llnull=llnull, deviance=-2 * llf, null_deviance=-2 * llnull
    )
