"""The t test of two groups' means; of one sample or of pairs it hands over to one_mean.

Layer:       analytics.statistics.location above group_moments and distributions.
Terms:       the *difference* is the first group's mean less the second's, in the order of ``groups``, which by default
             is that of the schema (false before true).
Guarantees:  Welch's test by default, Student's with ``equal_var``; p-value and interval of Student's distribution, as
             ``scipy.stats.ttest_ind``. Two groups without any spread, or one with fewer than two rows, are undefined, not
             0. Guards of exact answers and the release of private ones: module group_moments. Private: the p-value is a
             parametric bootstrap over the mechanism with equal means, seeded by the answer; the interval holds sampling
             and noise, whose standard errors are reported apart. The private statistic divides by noisy variances: where
             they could be near 0 the bootstrap's tails are wide and the test has little power, although its level holds. The
             interval says more there. crossward.planning.means_power takes the variances as known, so it is a bound there.
             With ``reveal="statistic"`` the figures stay hidden, and t opens alone, rounded on shares (module revealed);
             its degrees of freedom are then the fewest that the guard allows, and the p-value is the largest.
Visible to:  the analyst: number, sum and squares of both groups.
Source:      Student 1908; Welch 1947, degrees of freedom by Welch and Satterthwaite. Parametric bootstrap: group_samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH, EXACT
from analytics.statistics.comparisons.group_moments import GroupMoments
from analytics.statistics.comparisons.group_samples import REPLICATES, Mechanism, Sample, error_of_difference
from analytics.statistics.comparisons.one_mean import OneMean, PairedMeans
from analytics.statistics.comparisons.t_test_answer import UNDEFINED, TTestAnswer, share_farther, tail
from analytics.statistics.figure_table import alternative_of
from analytics.statistics.hidden.hidden_ratios import check_width, rows_bits, t_bits, t_ratio
from analytics.statistics.hidden.revealed import DIGITS, REVEAL, Hidden, RevealedAnswer, is_hidden
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.noise_law import simulation
from smpc.operations.arithmetic import take
from smpc.operations.numeric.significant import Rounding

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode

Floats = npt.NDArray[np.float64]
NAME: Final = "t_test"
SUMMARY: Final = "t test of two groups' means, Welch's or Student's; of one sample; of pairs"
ROUNDING: Final = Rounding(digits=DIGITS, places=4, decades=4, is_root=True)
_GROUPS: Final = 2


@dataclass(frozen=True, kw_only=True)
class OneMeanTTest(OneMean):
    """The test of one sample; private also of pairs."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    parameters: ClassVar = ()


@dataclass(frozen=True, kw_only=True)
class PairedTTest(PairedMeans):
    """The exact test of pairs."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = EXACT
    parameters: ClassVar = ()


@dataclass(frozen=True, kw_only=True)
class TTest(GroupMoments):
    """The test of equal means of two groups.

    Attributes:
        equal_var: Student's test, with one variance for both.
        alternative: what is tested against.
        reveal: whether t opens alone.
    """

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="column", meaning="a numeric column"),
        Parameter(name="by", meaning="a column with public groups, of two samples", default=None),
        Parameter(name="groups", meaning="the two groups to compare, where by has more", default=None),
        Parameter(name="equal_var", meaning="Student's test instead of Welch's", default=False),
        Parameter(name="alternative", meaning="two-sided, less or greater", default="two-sided"),
        Parameter(name="popmean", meaning="of one sample: the mean that is tested", default=None),
        Parameter(name="paired", meaning="of pairs: the second column of the same rows", default=None),
        REVEAL,
    )
    equal_var: bool = False
    alternative: str = "two-sided"
    reveal: bool = False

    @classmethod
    def bind(
        cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits
    ) -> Self | OneMeanTTest | PairedTTest:
        """See ``Statistic``."""
        given = [name for name in ("by", "popmean", "paired") if arguments.is_given(name)]
        if len(given) != 1:
            reason = "is missing: or popmean for one sample, or paired for a second column of the same rows"
            raise InvalidRequestError(
                parameter=given[1] if given else "by",
                reason="must be the only one of them" if given else reason,
            )
        if given != ["by"]:
            _check_of_groups_alone(arguments)
            kind = PairedTTest if given == ["paired"] and mode == "exact" else OneMeanTTest
            return kind.bind(table, arguments, mode, limits)
        own = {
            "equal_var": arguments.flag("equal_var"),
            "alternative": alternative_of(arguments),
            "reveal": is_hidden(arguments, mode),
        }
        bound = cls.bind_groups(table, arguments, mode, limits, **own)
        if len(bound.chosen) != _GROUPS:
            reason = f"must name two groups of {bound.bys[0].name}, which has {len(bound.chosen)}"
            raise InvalidRequestError(parameter="groups", reason=reason)
        if bound.reveal:
            check_width(bound.product_bits, "column")
        return bound

    @property
    def hidden(self) -> Hidden | None:
        """See ``GroupMoments``."""
        if not self.reveal:
            return None
        count = self.n_figures
        return Hidden(
            quantity="t",
            rule=ROUNDING,
            limits=self.limits,
            guards=lambda figures: take(figures, range(count, figures.size)),
            ratio=lambda session, figures: t_ratio(
                session, take(figures, range(count)), self.product_bits, equal_var=self.equal_var
            ),
        )

    @property
    def product_bits(self) -> int:
        """Length of the largest integer of a hidden statistic."""
        return t_bits(rows_bits(self.limits), self.reach, equal_var=self.equal_var)

    def revealed_answer(self, hidden: Hidden, opened: Ints) -> RevealedAnswer:
        """See ``GroupMoments``; the p-value is the largest that the guard leaves, with the fewest degrees of freedom."""
        fewest = max(_GROUPS, self.limits.threshold)
        df = float(_GROUPS * fewest - _GROUPS if self.equal_var else fewest - 1)
        return hidden.answer(opened, lambda value: tail(value, df, self.alternative), df)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        found = super().describe() | {"equal_var": self.equal_var, "alternative": self.alternative}
        return found if self.hidden is None else {**found, **self.hidden.describe()}

    def closed_answer(self, reason: str) -> TTestAnswer:
        """See ``GroupMoments``."""
        return TTestAnswer(statistic=None, labels=self.labels, alternative=self.alternative, closed=reason)

    def answer(self, sample: Sample, mechanism: Mechanism | None, opened: Ints) -> TTestAnswer:
        """See ``GroupMoments``."""
        errors, degrees = error_of_difference(sample, equal_var=self.equal_var)
        error, df = float(errors), float(degrees)
        if not error > 0:  # NaN with fewer than two rows
            return self.closed_answer(UNDEFINED)
        unit = float(self.unit)
        difference = float(sample.mean[0] - sample.mean[1])
        noise_error = 0.0 if mechanism is None else float(np.hypot(*mechanism.error_of_means(sample)))
        statistic = difference / error
        by_noise = None if mechanism is None else self._bootstrap(statistic, sample, mechanism, opened)
        return TTestAnswer(
            statistic=statistic,
            pvalue=tail(statistic, df, self.alternative) if by_noise is None else by_noise,
            df=df,
            alternative=self.alternative,
            labels=self.labels,
            n=tuple(sample.n.tolist()),
            means=tuple(self.means(sample)),
            sds=tuple((unit * np.sqrt(sample.variance)).tolist()),
            difference=unit * difference,
            sampling_error=unit * error,
            noise_error=unit * noise_error,
            too_few=mechanism is not None and bool((sample.n < FEW * mechanism.count.sd).any()),
        )

    def _bootstrap(self, statistic: float, sample: Sample, mechanism: Mechanism, opened: Ints) -> float:
        """The share of releases with equal means, fresh rows and fresh noise that are at least as far out."""
        weights = sample.n / sample.variance
        equal = np.full(_GROUPS, float((weights * sample.mean).sum() / weights.sum()))
        null = Sample(n=sample.n, mean=equal, variance=sample.variance)
        drawn = mechanism.redraw(null, REPLICATES, simulation(opened))
        error, _ = error_of_difference(drawn, equal_var=self.equal_var)
        found = (drawn.mean[:, 0] - drawn.mean[:, 1]) / error
        return share_farther(found, statistic, self.alternative)


def _check_of_groups_alone(arguments: Arguments) -> None:
    """Refuse what only two groups can have.

    Raises:
        InvalidRequestError: one of them is set.
    """
    unlike = {
        "equal_var": arguments.flag("equal_var"),
        "groups": arguments.is_given("groups"),
        "reveal": arguments.text("reveal") != REVEAL.default,
    }
    for name, is_set in unlike.items():
        if is_set:
            raise InvalidRequestError(parameter=name, reason="is for two groups alone")
