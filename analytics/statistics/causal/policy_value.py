"""Which rule of treatment would do best: the share of an outcome if all people were treated by each rule.

Layer:       analytics.statistics.tables above figure_table.
Terms:       a *policy* gives each person one arm of the treatment: the same arm for all, or an arm for each group of a
             confounder. A *stratum* is a combination of the confounders' groups. The *weight* of a stratum is its people
             over those of them whom the policy's arm was given to. ``observed`` is the outcome under the practice of the
             data.
Guarantees:  every stratum has its own propensity of each arm and its own share of the outcome, so that the doubly robust
             value, the weighted and the standardised one are the same figure with the same error, and no form of a model is
             assumed. A policy whose largest weight is above ``max_weight`` has no value: weights are never cut, which would
             bias it. All policies come from one release. Exact: the whole table opens, or nothing does. Private: intervals
             hold sampling and noise, and a value that needs a cell which the noise hides is None.
Visible to:  the analyst: the table of treatment, outcome and confounders.
See instead: two arms and the effect of one (g_computation). That there are no other confounders is the analyst's claim; no
             figure tests it. The best of many policies looks better than it is: its interval is that of one policy.
Source:      Dudik, Langford, Li, Doubly robust policy evaluation and learning, ICML 2011; Hahn 1998 for the error, which
             delta_method gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.figure_table import FigureTable, TableAnswer, two_groups
from analytics.statistics.uncertainty.delta_method import Complex, Figure, figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
MAX_CONFOUNDERS: Final = 5
MAX_POLICIES: Final = 20
OBSERVED: Final = "observed"


@dataclass(frozen=True, kw_only=True)
class PolicyValue(FigureTable):
    """Values of policies; the table's axes are treatment, outcome and the confounders.

    Attributes:
        policies: as asked.
        max_weight: the largest weight at which a policy has a value.
    """

    name: ClassVar[str] = "policy_value"
    summary: ClassVar[str] = "outcome under rules of treatment, doubly robust over strata, to rank the rules"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="treatment", meaning="a column with two or more public groups, the arms"),
        Parameter(name="outcome", meaning="a column with two; the second group is counted"),
        Parameter(name="confounders", meaning=f"a list of 1 to {MAX_CONFOUNDERS} columns with public groups"),
        Parameter(
            name="policies",
            meaning=f"a list of 1 to {MAX_POLICIES} rules: an arm for all, as b, or by a confounder's groups in their order, as "
            "sex=a/b",
        ),
        Parameter(name="max_weight", meaning="a policy that needs a larger weight has no value", default=50),
    )
    policies: tuple[str, ...]
    max_weight: int

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        treatment = arguments.group_column("treatment", table)
        confounders = arguments.group_columns("confounders", table)
        if len(confounders) > MAX_CONFOUNDERS:
            reason = f"must be at most {MAX_CONFOUNDERS} columns"
            raise InvalidRequestError(parameter="confounders", reason=reason)
        policies = arguments.texts("policies")
        if len(policies) > MAX_POLICIES or OBSERVED in policies:
            reason = f"must be at most {MAX_POLICIES} rules, none of them {OBSERVED}"
            raise InvalidRequestError(parameter="policies", reason=reason)
        axes = [("treatment", treatment), ("outcome", two_groups(arguments, "outcome", table))]
        names = [f"confounder {place}" for place in range(1, len(confounders) + 1)]
        axes += list(zip(names, confounders, strict=True))
        most = arguments.whole("max_weight", low=1, high=10**6)
        bound = cls.bind_axes(table, mode, limits, axes, None, policies=policies, max_weight=most)
        for policy in policies:
            bound.arms(policy)
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return super().describe() | {"policies": list(self.policies), "max_weight": self.max_weight}

    def arms(self, policy: str) -> npt.NDArray[np.intp]:
        """Return the arm that a policy gives to each stratum, as its place, shape ``(n_strata,)``.

        Raises:
            InvalidRequestError: it names an unknown arm or column, or another number of arms than the column has groups.
        """
        known, *_ = self.labels
        shape = self.table_shape[2:]
        if policy in known:
            return np.full(int(np.prod(shape)), known.index(policy))
        column, _, text = policy.partition("=")
        asked = text.split("/")
        names = [key.name for _, key in self.keys[2:]]
        fits = column in names and len(asked) == shape[names.index(column)] and set(asked) <= set(known)
        if not fits:
            reason = (
                f"{policy[:80]} must be an arm, or a confounder's name, =, and an arm for each of its groups with / between; "
                f"the arms are {', '.join(known[:20])}"
            )
            raise InvalidRequestError(parameter="policies", reason=reason)
        places = np.indices(shape)[names.index(column)].ravel()
        given: npt.NDArray[np.intp] = np.array([known.index(arm) for arm in asked])[places]
        return given

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``; besides each value its difference from the observed one."""
        del opened
        sd = 0.0 if law is None else law.sd
        table = cells.reshape(*cells.shape[:2], -1)
        every = np.ones(table.shape, bool)
        found = {OBSERVED: figure(_observed, table, sd, needs=[every], least=0.0, most=1.0)}
        for policy in self.policies:
            found |= self._figures(policy, table, sd)
        return TableAnswer(figures=found)

    def _figures(self, policy: str, table: Floats, sd: float) -> dict[str, Figure]:
        """Return a policy's value, and its difference from the observed one."""
        arms = self.arms(policy)
        names = policy, f"{policy} - {OBSERVED}"
        arm, _, stratum = np.indices(table.shape)
        needs = [(arm == each) & (stratum == place) for place, each in enumerate(arms)]
        sizes = np.array([table[each].sum() for each in needs])
        if (table.sum(axis=(0, 1)) > self.max_weight * sizes).any():
            return dict.fromkeys(names, Figure(value=None))
        value = _value(arms)
        difference = figure(
            lambda tables: value(tables) - _observed(tables), table, sd, needs=needs, least=-1.0, most=1.0
        )
        return {names[0]: figure(value, table, sd, needs=needs, least=0.0, most=1.0), names[1]: difference}


def _value(arms: npt.NDArray[np.intp]) -> Callable[[Complex], Complex]:
    """Return the standardised share of the outcome where each stratum has its arm."""
    strata = np.arange(len(arms))

    def function(tables: Complex) -> Complex:
        people = tables.sum(axis=(1, 2))
        own = tables[:, arms, :, strata]  # the strata first
        found: Complex = (people.T * own[:, :, 1] / own.sum(axis=2)).sum(axis=0) / people.sum(axis=1)
        return found

    return function


def _observed(tables: Complex) -> Complex:
    found: Complex = tables[:, :, 1].sum(axis=(1, 2)) / tables.sum(axis=(1, 2, 3))
    return found
