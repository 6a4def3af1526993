"""Three sites with frames answer exact queries over real shares; gives opened figures and the counts behind them."""

from fractions import Fraction

import pandas as pd

from analytics.disclosure.recombine import recombine_answer
from analytics.disclosure.release import send_answer
from analytics.plans.plan import Plan, PlanContext, make_plan
from analytics.plans.question import bind
from analytics.results.assemble import finish
from analytics.schema import Schema, Table
from analytics.sources import LocalTable, open_frame
from privacy_accounting.noise import SystemSource
from smpc.simulator import simulate

N_SITES = 3


_MOST_KEPT = 30
_kept: dict[tuple[str, ...], LocalTable] = {}


def _read(frame: pd.DataFrame, table: Table) -> LocalTable:
    """The rows of a site; nothing here changes them, so equal ones are read once."""
    key = (frame.to_json(double_precision=15), *map(str, frame.dtypes), repr(table))
    if key not in _kept:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        _kept[key] = open_frame(frame, table, site_key=b"k" * 32)
    return _kept[key]


class ExactWorld:
    """Rows dealt to three sites; questions are planned, shared, guarded and opened as between sites."""

    def __init__(self, frame: pd.DataFrame, schema: dict[str, object], *, minimum_cell: int = 10) -> None:
        self.schema = Schema.from_dict(schema)
        table = next(iter(self.schema.tables.values()))
        self.context = PlanContext(
            n_sites=N_SITES,
            colluding=1,
            relation="add_or_remove_one",
            delta=Fraction(1, 10**6),
            minimum_cell=minimum_cell,
        )
        self.sources = [_read(frame.iloc[place::N_SITES], table) for place in range(N_SITES)]

    def plan(self, sql: str) -> Plan:
        return make_plan(bind(sql, self.schema), mode="exact", epsilon=None, context=self.context)

    def figures(self, plan: Plan) -> list[list[int]]:
        return [[int(value) for value in source.local_figures(plan)] for source in self.sources]

    def opened(self, plan: Plan) -> list[int | None]:
        """What the analyst gets, in the order of ``plan.opened``; None is closed."""
        vectors = [source.local_figures(plan) for source in self.sources]
        run = simulate(
            lambda session: send_answer(session, plan, vectors[session.rank], SystemSource()),
            N_SITES,
            prefetch=False,
            timeout_s=60,
        )
        return recombine_answer(plan, run.values())

    def rows(self, sql: str) -> tuple[tuple[object, ...], ...]:
        plan = self.plan(sql)
        return finish(plan, self.opened(plan)).rows
