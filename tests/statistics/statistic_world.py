"""Three sites with frames answer statistics over real shares; also what each step opened."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd

from analytics.disclosure.recombine import recombine_statistic
from analytics.disclosure.release import send_statistic
from analytics.plans.plan import PlanContext
from analytics.plans.statistic_plan import make_statistic_plan
from analytics.schema import Schema
from analytics.sources import open_frame
from privacy_accounting.noise import SystemSource
from smpc.simulator import simulate

N_SITES = 3
HEART = Path(__file__).resolve().parents[2] / "federation" / "demo" / "data" / "heart_disease"


class StatisticWorld:
    """Rows dealt to three sites; statistics are planned, shared, guarded and opened as between sites."""

    def __init__(self, frame, columns, *, minimum_cell=10, colluding=1, parts=None, **table):
        fields = {
            "privacy_unit": "row",
            "rows_max": 1000,
            "max_sites_per_unit": 1,
            "exact_dimensions": list(columns),
            "columns": columns,
        }
        self.schema = Schema.from_dict({"tables": {"patients": fields | table}})
        parts = parts or [frame.iloc[place::N_SITES] for place in range(N_SITES)]
        self.n_sites = len(parts)
        self.context = PlanContext(
            n_sites=self.n_sites,
            colluding=colluding,
            relation="add_or_remove_one",
            delta=Fraction(1, 10**6),
            minimum_cell=minimum_cell,
        )
        self.frame = frame
        self.sources = [
            open_frame(part, self.schema.tables["patients"], site_key=b"k" * 32) for part in parts
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
        if plan.statistic.keeps_missing:
            return [source.every_row(plan.statistic.columns) for source in self.sources]
        return [source.complete_cases(plan.statistic.columns) for source in self.sources]

    def answers(self, plan):
        """The bytes that each site sends to the analyst."""
        rows = self.scanned(plan)
        return simulate(
            lambda session: send_statistic(session, plan, rows[session.rank], SystemSource()),
            self.n_sites,
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


def hearts():
    """The four hospitals' patients as frames, by pandas alone."""
    found = []
    for name in ("cleveland", "hungary", "switzerland", "va_long_beach"):
        raw = pd.read_csv(HEART / f"{name}.csv").apply(pd.to_numeric, errors="coerce")
        flags = {"fbs": raw.fbs == 1, "exang": raw.exang == 1, "ecg_abnormal": raw.restecg > 0}
        known = {"fbs": raw.fbs, "exang": raw.exang, "ecg_abnormal": raw.restecg}
        pain = {1: "typical", 2: "atypical", 3: "non_anginal", 4: "asymptomatic"}
        found.append(
            pd.DataFrame(
                {
                    "age": raw.age,
                    "sex": raw.sex.map({1: "M", 0: "F"}),
                    "cp": raw.cp.map(pain),
                    "trestbps": raw.trestbps.where(raw.trestbps != 0),
                    "chol": raw.chol.where(raw.chol != 0),
                    "thalach": raw.thalach,
                    "oldpeak": raw.oldpeak,
                    "disease": raw.num > 0,
                    **{
                        name: flag.astype(object).where(known[name].notna(), None)
                        for name, flag in flags.items()
                    },
                }
            )
        )
    return found


HEART_COLUMNS = {
    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1, "bins": [0, 40, 50, 60, 120]},
    "sex": {"type": "categorical", "domain": ["F", "M"]},
    "cp": {"type": "categorical", "domain": ["typical", "atypical", "non_anginal", "asymptomatic"]},
    "trestbps": {"type": "numeric", "lower": 60, "upper": 240, "resolution": 1, "nullable": True},
    "chol": {"type": "numeric", "lower": 60, "upper": 620, "resolution": 1, "nullable": True},
    "thalach": {"type": "numeric", "lower": 40, "upper": 240, "resolution": 1, "nullable": True},
    "oldpeak": {"type": "numeric", "lower": -4, "upper": 8, "resolution": 0.1, "nullable": True},
    "disease": {"type": "boolean"},
    "fbs": {"type": "boolean", "nullable": True},
    "exang": {"type": "boolean", "nullable": True},
    "ecg_abnormal": {"type": "boolean", "nullable": True},
}


def heart_world(**fields):
    parts = hearts()
    bins = {
        "trestbps": [60, 120, 130, 140, 150, 240],
        "chol": [60, 200, 240, 280, 620],
        "thalach": [40, 110, 130, 150, 170, 240],
        "oldpeak": [-4, 0.5, 1, 2, 8],
    }
    columns = {
        name: column | ({"bins": bins[name]} if name in bins else {})
        for name, column in HEART_COLUMNS.items()
    }
    return StatisticWorld(pd.concat(parts), columns, parts=parts, **fields)
