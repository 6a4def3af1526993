"""Table 1: the columns of a study side by side in two or more groups, in one release.

Layer:       analytics.statistics.profiles above profile and group_comparisons.
Terms:       as in profile; the groups are its arms. Rows whose group is not known are in no figure.
Guarantees:  as in profile: a column opens in all groups or in none. Tests and standardised differences follow from the
             opened figures of exact answers; a private answer has none of them: a classical p-value of noised figures is
             wrong, and is refused before a charge. The overall column is the sum of the groups.
Visible to:  the analyst: the figures of open columns, and one bit for each column.
See instead: tests with a private form (t_test, anova, chi_square, kruskal_wallis).
Source:      arguments and row labels as the package tableone has them (Pollard et al., JAMIA Open 2018). Deviations are
             over ``n - 1``; missing values are no category; of ``nonnormal`` columns the bins of median and quartiles are
             given, and their test is that of Kruskal and Wallis over the declared bins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.pictures import Estimates
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH, MINIMUM_CELL, Answer
from analytics.statistics.profiles.group_comparisons import (
    ADJUSTMENTS,
    adjusted,
    counts_test,
    means_difference,
    means_test,
    ranks_test,
    shares_difference,
)
from analytics.statistics.profiles.profile import Profile, columns_of, profiled_columns
from analytics.statistics.profiles.profile_estimates import ColumnSummary, intervals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

OVERALL: Final = "Overall"
CLOSED: Final = "closed"
_MOST_DECIMALS: Final = 6
_BALANCED: Final = 0.1  # Austin 2009: below it groups count as balanced


@dataclass(frozen=True, kw_only=True)
class TableOneAnswer(Answer):
    """The table.

    Attributes:
        columns: what was asked, in order.
        groupby: the column that makes the groups.
        n_rows: of each group, and of all under ``Overall``; None where they are closed.
        summaries: by group, and ``Overall``: the open columns by name.
        nonnormal: columns shown by median and quartiles.
        pvalues: of each open column the test's name and its p-value (None where it is undefined), where asked.
        pvalues_adjusted: by column, where an adjustment was asked.
        smd: by column, of each two groups the standardised difference, where asked.
        decimals: shown after the point.
        has_overall: whether ``frame`` has the column of all rows.
        has_missing: whether it has the number of missing values.
        has_test_name: whether it has the name of the test.
        noise_sd: standard deviation of the noise on the number of rows of a group; 0 in exact mode.
    """

    columns: tuple[str, ...]
    groupby: str
    n_rows: Mapping[str, float | None]
    summaries: Mapping[str, Mapping[str, ColumnSummary]]
    nonnormal: tuple[str, ...] = ()
    pvalues: Mapping[str, tuple[str, float | None]] = field(default_factory=dict)
    pvalues_adjusted: Mapping[str, float | None] = field(default_factory=dict)
    smd: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    decimals: int = 1
    has_overall: bool = True
    has_missing: bool = True
    has_test_name: bool = False
    noise_sd: float = 0.0

    @property
    def frame(self) -> pd.DataFrame:
        """The table as it is printed: texts; ``variable`` and ``level`` name the row."""
        import pandas as pd

        names, rows = self._table()
        return pd.DataFrame(rows, columns=names, dtype="string")

    def to_html(self) -> str:
        """Return the table as HTML, its texts escaped."""
        table: str = self.frame.to_html(index=False, na_rep="", border=0)
        return table

    def interval(self, level: float = 0.95) -> dict[str, dict[str, dict[str, object]]]:
        """By group and ``Overall``: the figures without noise, each as often as the level says, as of ``describe``."""
        return {arm: intervals(found, level) for arm, found in self.summaries.items()}

    def picture(self) -> Estimates | None:
        """The standardised differences of the columns, largest over the pairs of groups; None where they were not asked."""
        if not self.smd:
            return None
        largest = {
            name: max((abs(value) for value in pairs.values() if value is not None), default=None)
            for name, pairs in self.smd.items()
        }
        values = list(largest.values())
        return Estimates(
            labels=list(largest),
            values=values,
            low=values,
            high=values,
            x_name="largest standardised difference",
            reference=_BALANCED,
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        names, rows = self._table()
        return {
            "groupby": self.groupby,
            "n_rows": dict(self.n_rows),
            "closed_columns": [name for name in self.columns if name not in self.summaries[OVERALL]],
            "too_few": sorted(
                {name for found in self.summaries.values() for name, each in found.items() if each.too_few}
            ),
            "table": [dict(zip(names, row, strict=True)) for row in rows],
            "pvalues": {
                name: {"test": test, "pvalue": value} for name, (test, value) in self.pvalues.items()
            },
            "pvalues_adjusted": dict(self.pvalues_adjusted),
            "smd": {name: dict(found) for name, found in self.smd.items()},
            "noise_sd": self.noise_sd,
        }

    @property
    def _arms(self) -> list[str]:
        arms = [arm for arm in self.summaries if arm != OVERALL]
        return [OVERALL, *arms] if self.has_overall else arms

    def _table(self) -> tuple[list[str], list[list[str]]]:
        tested = ["P-Value"] * bool(self.pvalues)
        tested += ["P-Value (adjusted)"] * bool(self.pvalues_adjusted)
        tested += ["Test"] * (self.has_test_name and bool(self.pvalues))
        pairs = list(next(iter(self.smd.values()), {}))
        missing = ["Missing"] * self.has_missing
        names = ["variable", "level", *missing, *self._arms, *tested, *[f"SMD ({pair})" for pair in pairs]]
        rows = [["n", "", *[""] * len(missing), *[_whole(self.n_rows[arm]) for arm in self._arms]]]
        for name in self.columns:
            rows += self._rows(name)
        return names, [row + [""] * (len(names) - len(row)) for row in rows]

    def _rows(self, name: str) -> list[list[str]]:
        overall = self.summaries[OVERALL].get(name)
        if overall is None:
            return [[name, "", *[""] * self.has_missing, *[CLOSED] * len(self._arms)]]
        missing = [_whole(overall.missing.value)] if self.has_missing else []
        tested = self._tested(name)
        each = {arm: self.summaries[arm][name] for arm in self._arms}
        if overall.is_numeric:
            is_ranked = name in self.nonnormal
            label = "median [Q1,Q3]" if is_ranked else "mean (SD)"
            cells = [_quartiles(one) if is_ranked else self._mean(one) for one in each.values()]
            return [[f"{name}, {label}", "", *missing, *cells, *tested]]
        rows = []
        for place, label in enumerate(overall.labels):
            cells = [self._share(one, place) for one in each.values()]
            first = place == 0
            blank = [""] * len(missing)
            rows.append(
                [f"{name}, n (%)", label, *(missing if first else blank), *cells, *(tested if first else [])]
            )
        return rows

    def _tested(self, name: str) -> list[str]:
        found = []
        if self.pvalues:
            test, pvalue = self.pvalues[name]
            found.append(_pvalue(pvalue))
            if self.pvalues_adjusted:
                found.append(_pvalue(self.pvalues_adjusted[name]))
            if self.has_test_name:
                found.append(test)
        return found + [_plain(value, 3) for value in self.smd.get(name, {}).values()]

    def _mean(self, each: ColumnSummary) -> str:
        mean, deviation = (None if one is None else one.value for one in (each.mean, each.sd))
        return f"{_plain(mean, self.decimals)} ({_plain(deviation, self.decimals)})"

    def _share(self, each: ColumnSummary, place: int) -> str:
        count, size = each.counts[place].value, each.n.value
        share = None if count is None or not size else min(100.0, 100 * count / size)
        return f"{_whole(count)} ({_plain(share, self.decimals)})"


@dataclass(frozen=True, kw_only=True)
class TableOne(Profile):
    """Columns side by side in the groups of ``groupby``.

    Attributes:
        nonnormal: columns shown by median and quartiles.
        has_pvalues: whether tests are made.
        adjustment: for their number; empty for none.
        has_smd: whether standardised differences are given.
        has_missing: whether the number of missing values is shown.
        has_overall: whether all rows are shown.
        has_test_name: whether the tests are named.
        decimals: shown after the point.
    """

    name: ClassVar[str] = "table_one"
    summary: ClassVar[str] = "columns side by side in groups: n (%), mean (SD), missing, tests, differences"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="columns", meaning="a list of columns"),
        Parameter(name="groupby", meaning="a column with public groups"),
        Parameter(name="nonnormal", meaning="columns to show by median and quartiles", default=None),
        Parameter(name="pval", meaning="tests of the groups, of exact answers alone", default=False),
        Parameter(name="pval_adjust", meaning="bonferroni, holm or fdr_bh", default=None),
        Parameter(name="htest_name", meaning="name the tests", default=False),
        Parameter(name="smd", meaning="standardised differences, of exact answers alone", default=False),
        Parameter(name="missing", meaning="show how many values are missing", default=True),
        Parameter(name="overall", meaning="show all groups together", default=True),
        Parameter(name="decimals", meaning="shown after the point", default=1),
    )
    nonnormal: tuple[str, ...] = ()
    has_pvalues: bool = False
    adjustment: str = ""
    has_smd: bool = False
    has_missing: bool = True
    has_overall: bool = True
    has_test_name: bool = False
    decimals: int = 1

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        columns, by = columns_of(arguments, table), arguments.group_column("groupby", table)
        if by in columns:
            raise InvalidRequestError(parameter="groupby", reason="must be another column than those shown")
        profiled = profiled_columns(columns)
        asked = {name: arguments.flag(name) for name in ("pval", "smd", "missing", "overall", "htest_name")}
        adjustment = arguments.text("pval_adjust") if arguments.is_given("pval_adjust") else ""
        if adjustment and (adjustment not in ADJUSTMENTS or not asked["pval"]):
            reason = f"must be one of {', '.join(ADJUSTMENTS)}, with pval = true"
            raise InvalidRequestError(parameter="pval_adjust", reason=reason)
        for name in ("pval", "smd"):
            if asked[name] and mode == "private":
                reason = "must be false: it is not defined by figures with noise; t_test and chi_square have private forms"
                raise InvalidRequestError(parameter=name, reason=reason)
        ranked = arguments.texts("nonnormal") if arguments.is_given("nonnormal") else ()
        if not set(ranked) <= {each.column.name for each in profiled if each.is_binned}:
            reason = "must be numeric columns of the list, with declared bins"
            raise InvalidRequestError(parameter="nonnormal", reason=reason)
        bound = cls(
            table=table,
            mode=mode,
            limits=limits,
            profiled=profiled,
            by=by,
            nonnormal=ranked,
            has_pvalues=asked["pval"],
            adjustment=adjustment,
            has_smd=asked["smd"],
            has_missing=asked["missing"],
            has_overall=asked["overall"],
            has_test_name=asked["htest_name"],
            decimals=arguments.whole("decimals", low=0, high=_MOST_DECIMALS),
        )
        if len(bound.arms) < 2 or OVERALL in bound.arms:  # noqa: PLR2004  a comparison has two groups
            raise InvalidRequestError(
                parameter="groupby", reason=f"must have two groups, none called {OVERALL}"
            )
        bound.check_size()
        return bound

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> TableOneAnswer:
        """See ``Statistic``."""
        (values,) = opened
        *arms, overall = self.summaries(values, noise, with_sum=True)
        named = {**dict(zip(self.arms, arms, strict=True)), OVERALL: overall}
        found = {name: summaries for name, (_, summaries) in named.items()}
        pvalues = {name: self._test(name, found) for name in overall[1]} if self.has_pvalues else {}
        return TableOneAnswer(
            columns=tuple(each.column.name for each in self.profiled),
            groupby="" if self.by is None else self.by.name,
            n_rows={name: n_rows for name, (n_rows, _) in named.items()},
            summaries=found,
            nonnormal=self.nonnormal,
            pvalues=pvalues,
            pvalues_adjusted=_adjusted(pvalues, self.adjustment) if self.adjustment else {},
            smd={name: self._differences(name, found) for name in overall[1]} if self.has_smd else {},
            decimals=self.decimals,
            has_overall=self.has_overall,
            has_missing=self.has_missing,
            has_test_name=self.has_test_name,
            noise_sd=noise[0].sd if noise else 0.0,
            closed="" if overall[1] or overall[0] is not None else MINIMUM_CELL,
        )

    def _test(self, name: str, found: Mapping[str, Mapping[str, ColumnSummary]]) -> tuple[str, float | None]:
        each = [found[arm][name] for arm in self.arms]
        if name in self.nonnormal:
            return "Kruskal-Wallis over bins", ranks_test(np.array([one.raw for one in each]))
        if not each[0].is_numeric:
            return "Chi-squared", counts_test(np.array([one.raw for one in each]))
        test = "Welch's t-test" if len(each) == 2 else "One-way ANOVA"  # noqa: PLR2004
        moments = [_moments(one) for one in each]
        known = [one for one in moments if one is not None]
        return test, means_test(*np.array(known).T) if len(known) == len(each) else None

    def _differences(
        self, name: str, found: Mapping[str, Mapping[str, ColumnSummary]]
    ) -> dict[str, float | None]:
        pairs: dict[str, float | None] = {}
        for first, second in combinations(self.arms, 2):
            one, other = found[first][name], found[second][name]
            if one.is_numeric:
                moments = _moments(one), _moments(other)
                pairs[f"{first},{second}"] = (
                    None
                    if moments[0] is None or moments[1] is None
                    else means_difference((moments[0][1], moments[1][1]), (moments[0][2], moments[1][2]))
                )
            else:
                pairs[f"{first},{second}"] = shares_difference(np.array(one.raw), np.array(other.raw))
        return pairs


def _moments(each: ColumnSummary) -> tuple[float, float, float] | None:
    size, mean, deviation = (None if one is None else one.value for one in (each.n, each.mean, each.sd))
    return None if size is None or mean is None or deviation is None else (size, mean, deviation)


def _adjusted(pvalues: Mapping[str, tuple[str, float | None]], method: str) -> dict[str, float | None]:
    """The adjusted p-values of the columns that have one."""
    known = {name: value for name, (_, value) in pvalues.items() if value is not None}
    changed = dict(zip(known, adjusted(list(known.values()), method), strict=True))
    return {name: changed.get(name) for name in pvalues}


def _quartiles(each: ColumnSummary) -> str:
    low, middle, high = ("" if one is None else one for one in each.quartiles)
    return f"{middle} [{low}; {high}]"


def _plain(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _pvalue(value: float | None) -> str:
    if value is None:
        return ""
    return "<0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004  as tableone prints it
