"""The survival table: events, censorings and at risk on a declared grid, from which curves, means and tests follow free.

Layer:       analytics.statistics.survival above life_tables.
Guarantees:  one opening and one charge; what is computed from the table discloses and costs nothing more, and carries the
             table's cost and receipt. A log-rank test of an exact table is not given: closed intervals are missing in it.
See instead: how the table is opened (survival_cells).
Source:      ours; docs/guarantees.md P8.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.statistics.base import BOTH, MINIMUM_CELL, Answer
from analytics.statistics.life_tables.curve_answer import KaplanMeierAnswer, kaplan_meier_of
from analytics.statistics.life_tables.log_rank_answer import LogRankAnswer
from analytics.statistics.life_tables.log_rank_cells import WEIGHTINGS, TestForm, noisy_test
from analytics.statistics.life_tables.mean_answer import RmstAnswer, rmst_of
from analytics.statistics.life_tables.survival_cells import SurvivalCells

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from analytics.statistics.base import Ints
    from analytics.statistics.life_tables.group_table import GroupTable
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

_FIGURES: Final = ("at_risk", "events", "censored")


@dataclass(frozen=True, kw_only=True)
class SurvivalTableAnswer(Answer):
    """The table.

    Attributes:
        tables: of each group.
        labels: of the intervals.
        law: of the noise; None in exact mode.
        seed: the answer's integers, for simulations.
    """

    tables: tuple[GroupTable, ...]
    labels: tuple[str, ...]
    law: NoiseLaw | None
    seed: Ints

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each group and interval: ``group``, ``start``, ``end``, ``at_risk``, ``events``, ``censored``."""
        import pandas as pd

        rows = self._rows()
        found = pd.DataFrame(
            {name: [row[name] for row in rows] for name in ("group", "start", "end", *_FIGURES)}
        )
        return found.astype(dict.fromkeys(("start", "end", *_FIGURES), "Float64") | {"group": "string"})

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {"rows": self._rows(), "noise_sd": None if self.law is None else self.law.sd}

    def kaplan_meier(self) -> KaplanMeierAnswer:
        """Curves, cumulative hazards, follow-up and quantiles of the table."""
        found = kaplan_meier_of(self.tables, self.labels)
        return replace(found, cost=self.cost, receipt=self.receipt)

    def rmst(self, tau: float | None = None) -> RmstAnswer:
        """Restricted means of the table and their contrasts.

        Args:
            tau: an edge of the grid; None: the last up to which every group is open.

        Raises:
            InvalidRequestError: tau is no edge of the grid.
        """
        return replace(rmst_of(self.tables, tau), cost=self.cost, receipt=self.receipt)

    def log_rank(
        self, weightings: str = WEIGHTINGS[0], p: float = 0, q: float = 0, *, trend: bool = False
    ) -> LogRankAnswer:
        """The log-rank test of the table's groups, from the noise's known law.

        Args:
            weightings: see the statistic ``log_rank``, as for the others.
            p: exponent of fleming-harrington.
            q: exponent of fleming-harrington.
            trend: whether groups have the scores 0, 1, 2, ...

        Raises:
            InvalidRequestError: an argument is out of range, there is one group, or the table is exact.
        """
        form = TestForm(weightings=weightings, p=float(p), q=float(q), trend=trend)
        if self.law is None:
            reason = "must be private: intervals of an exact table may be closed; ask for log_rank"
            raise InvalidRequestError(parameter="mode", reason=reason)
        if len(self.tables) < 2:  # noqa: PLR2004  groups
            raise InvalidRequestError(parameter="by", reason="must name a column with at least 2 groups")
        cells = np.stack([np.stack([table.censored, table.events], axis=-1) for table in self.tables])
        found = noisy_test(cells[np.newaxis], self.law, form, (self.seed,))
        return LogRankAnswer(
            statistic=found.statistic,
            pvalue=found.pvalue,
            dof=form.degrees(len(self.tables)),
            labels=tuple(table.name for table in self.tables),
            n=found.n,
            observed=found.observed,
            expected=found.expected,
            noise_sd=self.law.sd,
            cost=self.cost,
            receipt=self.receipt,
        )

    def _rows(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for table in self.tables:
            figures = {name: getattr(table, name).tolist() for name in _FIGURES}
            for place in range(len(table.events)):
                row = {"group": table.name, "start": table.edges[place], "end": table.edges[place + 1]}
                closed = place >= table.n_open
                rows.append(row | {name: None if closed else figures[name][place] for name in _FIGURES})
        return rows


@dataclass(frozen=True, kw_only=True)
class SurvivalTable(SurvivalCells):
    """The table of ``duration`` until ``event``."""

    name: ClassVar[str] = "survival_table"
    summary: ClassVar[str] = (
        "events, censorings and at risk on a declared grid; curves and tests follow from it"
    )
    promoted: ClassVar = BOTH

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> SurvivalTableAnswer:
        """See ``Statistic``."""
        tables = self.tables_of(opened, noise)
        return SurvivalTableAnswer(
            tables=tables,
            labels=self.labels,
            law=noise[0] if noise else None,
            seed=opened[0],
            closed="" if any(table.n_open for table in tables) else MINIMUM_CELL,
        )
