"""Three sites with frames answer statistics over real shares; also what each step opened."""

from fractions import Fraction

import numpy as np

from analytics.disclosure.recombine import recombine_statistic
from analytics.disclosure.release import send_statistic
from analytics.plans.plan import PlanContext
from analytics.plans.statistic_plan import make_statistic_plan
from analytics.schema import Schema
from analytics.sources import open_frame
from privacy_accounting.noise import SystemSource
from smpc.simulator import simulate

N_SITES = 3


class StatisticWorld:
    """Rows dealt to three sites; statistics are planned, shared, guarded and opened as between sites."""

    def __init__(self, frame, columns, *, minimum_cell=10, colluding=1, **table):
        fields = {
            "privacy_unit": "row",
            "rows_max": 1000,
            "max_sites_per_unit": 1,
            "exact_dimensions": list(columns),
            "columns": columns,
        }
        self.schema = Schema.from_dict({"tables": {"patients": fields | table}})
        self.context = PlanContext(
            n_sites=N_SITES,
            colluding=colluding,
            relation="add_or_remove_one",
            delta=Fraction(1, 10**6),
            minimum_cell=minimum_cell,
        )
        self.frame = frame
        self.sources = [
            open_frame(frame.iloc[place::N_SITES], self.schema.tables["patients"], site_key=b"k" * 32)
            for place in range(N_SITES)
        ]

    def plan(self, name, *, epsilon=None, **arguments):
        return make_statistic_plan(
            {"statistic": name, "table": "patients", "arguments": arguments},
            mode="exact" if epsilon is None else "private",
            epsilon=None if epsilon is None else Fraction(epsilon),
            schema=self.schema,
            context=self.context,
        )

    def scanned(self, plan):
        if plan.counts is not None:
            return [source.local_figures(plan.counts) for source in self.sources]
        return [source.complete_cases(plan.statistic.columns) for source in self.sources]

    def answers(self, plan):
        """The bytes that each site sends to the analyst."""
        rows = self.scanned(plan)
        return simulate(
            lambda session: send_statistic(session, plan, rows[session.rank], SystemSource()),
            N_SITES,
            prefetch=False,
            timeout_s=60,
        ).values()

    def ask(self, name, **arguments):
        plan = self.plan(name, **arguments)
        return recombine_statistic(plan, self.answers(plan), cost={}, receipt={})

    def clear(self, name, noise=0.0, **arguments):
        """A private answer from the true counts plus a fixed vector of noise: no shares."""
        plan = self.plan(name, **arguments)
        total = np.sum(self.scanned(plan), axis=0)
        (weight,) = {block.weight for block in plan.counts.blocks}
        opened = (total[list(plan.statistic.places)] * weight + noise).astype(np.int64)
        return plan.statistic.estimate((opened,), plan.noise)
