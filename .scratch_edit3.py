p='analytics/statistics/location/t_test.py'
s=open(p).read()
a=s.index('@dataclass(frozen=True, kw_only=True)\nclass TTestAnswer'); b=s.index('@dataclass(frozen=True, kw_only=True)\nclass TTest(')
ans=s[a:b]; s=s[:a]+s[b:]
ans=ans.replace('''        labels: of both groups.
        n: rows of both groups; noisy in private mode, at least 2.
        means: of both groups.
        sds: standard deviations, over ``n - 1``.
        difference: of the means.
''','''        labels: of both groups; of one sample its column; of pairs both columns and their difference, or that alone.
        n: rows of each; noisy in private mode, at least 2.
        means: of each.
        sds: standard deviations, over ``n - 1``.
        difference: of the means; of one sample its mean less ``popmean``.
''').replace('''        too_few: private''','''        popmean: of one sample, the mean that it was tested against.
        too_few: private''',1).replace('''    noise_error: float = 0.0
    too_few''','''    noise_error: float = 0.0
    popmean: float | None = None
    too_few''')
ans=ans.replace('''        """Of the difference, with sampling and noise; one end is infinite where the alternative has one side."""''','''        """Of the difference, of one sample of its mean, with sampling and noise; infinite where the alternative has no end."""''')
ans=ans.replace('''        width = student_quantile((1 + level) / 2, self.df) * error
            return self.difference - width, self.difference + width
        width = student_quantile(level, self.df) * error
        if self.alternative == "less":
            return -math.inf, self.difference + width
        return self.difference - width, math.inf''','''        width = student_quantile((1 + level) / 2, self.df) * error
            return middle - width, middle + width
        width = student_quantile(level, self.df) * error
        if self.alternative == "less":
            return -math.inf, middle + width
        return middle - width, math.inf''').replace('''        error = math.hypot(self.sampling_error, self.noise_error)
''','''        error = math.hypot(self.sampling_error, self.noise_error)
        middle = self.difference + (self.popmean or 0.0)
''')
ans=ans.replace('''        """The difference of the means, with its interval of sampling and noise."""
        low, high = self.confidence_interval()
        return Estimates(
            labels=[" - ".join(self.labels)],
            values=[self.difference],''','''        """The difference of the means, of one sample its mean, with its interval of sampling and noise."""
        low, high = self.confidence_interval()
        is_pair = len(self.labels) == _GROUPS
        return Estimates(
            labels=[" - ".join(self.labels) if is_pair else self.labels[-1]],
            values=[self.difference if self.popmean is None else self.means[0]],''').replace('''            x_name="difference of the means, 95 % interval",
            reference=0.0,''','''            x_name=f"{'difference of the means' if self.popmean is None else 'mean'}, 95 % interval",
            reference=self.popmean or 0.0,''')
ans=ans.replace('''            "too_few": self.too_few,
        }''','''            "too_few": self.too_few,
            **({} if self.popmean is None else {"popmean": self.popmean}),
        }''')
head='''"""The answer of a t test, and the tails of its alternatives.

Layer:       analytics.statistics.location, below the t tests.
Guarantees:  the interval holds sampling and noise.
Source:      Student 1908.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.pictures import Estimates
from analytics.statistics.base import Answer
from analytics.statistics.distributions import student_quantile, student_tail

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
UNDEFINED: Final = "undefined"
_GROUPS: Final = 2
_LEVEL: Final = 0.95


'''
tails='''def tail(statistic: float, df: float, alternative: str) -> float:
    """P-value of Student's distribution."""
    if alternative == "two-sided":
        return min(1.0, 2 * student_tail(abs(statistic), df))
    return student_tail(statistic if alternative == "greater" else -statistic, df)


def share_farther(drawn: Floats, statistic: float, alternative: str) -> float:
    """P-value of a simulation: the share of draws that are at least as far out, the statistic among them."""
    if alternative == "two-sided":
        farther = np.abs(drawn) >= abs(statistic)
    else:
        farther = drawn >= statistic if alternative == "greater" else drawn <= statistic
    return float(1 + np.count_nonzero(farther)) / (1 + len(drawn))
'''
open('analytics/statistics/location/t_test_answer.py','w').write(head+ans.rstrip()+'\n\n\n'+tails)
i=s.index('    def _tail(self')
j=s.index('    def _bootstrap')
s=s[:i]+s[j:]
i=s.index('        if self.alternative == "two-sided":\n            farther')
s=s[:i]+'        return share_farther(found, statistic, self.alternative)\n'
s=s.replace('self._tail(value, df)','tail(value, df, self.alternative)').replace('self._tail(statistic, df)','tail(statistic, df, self.alternative)')
s=s.replace('''        Parameter(name="by", meaning="a column with public groups"),
''','''        Parameter(name="by", meaning="a column with public groups, of two samples", default=None),
''')
s=s.replace('"""The t test of two groups\' means.','"""The t test of two groups\' means; of one sample or of pairs it hands over to one_mean.')
s=s.replace('''    summary: ClassVar[str] = "t test of two groups' means, Welch's or Student's"
''','''    summary: ClassVar[str] = SUMMARY
''').replace('name: ClassVar[str] = "t_test"','name: ClassVar[str] = NAME')
i=s.index('    @classmethod\n    def bind('); j=s.index('        own = {\n            "equal_var"')
s=s[:i]+'''    @classmethod
    def bind(
        cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits
    ) -> Self | OneMean | PairedMeans:
        """See ``Statistic``."""
        alternative = alternative_of(arguments)
        given = [name for name in ("by", "popmean", "paired") if arguments.is_given(name)]
        if len(given) != 1:
            reason = "is missing: or popmean for one sample, or paired for a second column of the same rows"
            raise InvalidRequestError(
                parameter=given[1] if given else "by", reason="must be the only one of them" if given else reason
            )
        if given != ["by"]:
            _check_of_groups_alone(arguments)
            return _one_mean(table, arguments, mode, limits, alternative)
'''+s[j:]
s=s.replace('''        Parameter(name="groups", meaning="the two groups to compare, where by has more", default=None),
''','''        Parameter(name="groups", meaning="the two groups to compare, where by has more", default=None),
''')
open(p,'w').write(s)
p='analytics/statistics/value_guards.py'
s=open(p).read()
s=s.replace('''    lower, upper = column.grid_lower, column.grid_upper
    if has_few_values''','''    return few_or_windows(column.grid_lower, column.grid_upper, values)


def few_or_windows(lower: int, upper: int, values: Ints) -> Sets:
    """What number, sum and squares of integers between two bounds tell: see ``plans.cell_guards``."""
    if has_few_values''')
open(p,'w').write(s)
p='analytics/statistics/location/one_mean.py'
s=open(p).read()
i=s.index('        if self.alternative == "two-sided":'); j=s.index('@dataclass(frozen=True, kw_only=True)\nclass PairedMeans')
s=s[:i]+'        return share_farther(found, statistic, self.alternative)\n\n\n'+s[j:]
i=s.index('def common_unit')
s=s[:i]+'''def difference(first: NumericColumn, second: NumericColumn) -> Numeric:
    """The first column less the second, on the largest grid that both lie on."""
    one, other = (
        Numeric(
            expression=ColumnIndex(name=each.name, lower=each.grid_lower, upper=each.grid_upper),
            unit=each.resolution,
        )
        for each in (first, second)
    )
    return add(one, negate(other))
'''
s=s.replace('self.column.resolution if self.second is None else common_unit(self.column, self.second)','self.column.resolution if self.second is None else difference(self.column, self.second).unit')
s=s.replace('return difference(self.column, self.second)\n','return difference(self.column, self.second).expression\n')
s=s.replace('''        unit = common_unit(first, second)
''','''        unit = difference(first, second).unit
''')
s=s.replace('import TYPE_CHECKING, ClassVar, Final\n','import TYPE_CHECKING, ClassVar, Final\n').replace('from analytics.statistics.base import BOTH, EXACT, PRIVATE\n','from analytics.sql.expressions import ColumnIndex\nfrom analytics.sql.numeric import Numeric, add, negate\nfrom analytics.statistics.base import BOTH, EXACT\n').replace('import UNDEFINED, TTestAnswer, tail','import UNDEFINED, TTestAnswer, share_farther, tail').replace('from analytics.statistics.distributions import student_tail\n','')
open(p,'w').write(s)
