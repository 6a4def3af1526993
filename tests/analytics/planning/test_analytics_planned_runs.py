"""Every planned query runs: none is charged and then found beyond a limit, for any epsilon."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from analytics.disclosure.recombine import recombine_answer
from analytics.disclosure.release import joint_cost, send_answer
from analytics.disclosure.site_noise import noisy_contribution
from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError
from analytics.plans.plan import Plan, PlanContext, make_plan
from analytics.plans.question import bind
from analytics.plans.size_limits import MAX_SLOW_FIGURES
from analytics.results.assemble import finish
from analytics.schema import Schema
from federation.consortium.limits import Limits
from privacy_accounting.noise import SystemSource
from privacy_accounting.noise.gaussian import LARGEST_SIGMA2, SLOW_SIGMA2
from smpc.simulator import simulate
from tests.analytics import sql_grammar as grammar

REFUSALS = (PlanRejectedError, OverflowRiskError, InvalidRequestError)
GROUPS = {"many": {"type": "categorical", "domain": list(range(4_000))}}


def schema_of(rows_max: int, per_unit: int = 1) -> Schema:
    table = {"privacy_unit": "row", "rows_max": rows_max, "columns": grammar.COLUMNS | GROUPS}
    if per_unit > 1:
        columns = table["columns"] | {"pid": {"type": "identifier"}}
        table |= {"privacy_unit": "pid", "max_rows_per_unit": per_unit, "columns": columns}
    return Schema.from_dict({"tables": {"t": table}})


def planned(sql: str, schema: Schema, epsilon: Fraction, n_sites: int = 3, colluding: int = 1) -> Plan:
    context = PlanContext(
        n_sites=n_sites,
        colluding=colluding,
        relation="add_or_remove_one",
        delta=Fraction(1, 10**6),
        minimum_cell=0,
    )
    return make_plan(bind(sql, schema), mode="private", epsilon=epsilon, context=context)


def run(plan: Plan) -> None:
    """Every step after the charge, with the largest figures that a site can have."""
    most = np.array(plan.clamps, dtype=np.int64)
    for figures in (most, -most, None):
        total = [0] * plan.n_figures
        for _ in range(plan.context.n_sites):
            part = noisy_contribution(plan, figures, SystemSource())
            total = [a + int(b) for a, b in zip(total, part, strict=True)]
        assert max(map(abs, total)) < 2**62
        result = finish(plan, total)
        assert len(result.rows) <= plan.n_groups
    assert joint_cost(plan).memory_bytes <= Limits().session_bytes


def test_noise_beyond_the_sampler_is_refused_before_the_charge() -> None:
    """Attack: a query with a constant of ordinary size is charged, and then the sampler refuses it."""
    columns = {"disease": {"type": "boolean"}}
    schema = Schema.from_dict(
        {"tables": {"t": {"privacy_unit": "row", "rows_max": 1000, "columns": columns}}}
    )
    sql = "SELECT STDDEV(CASE WHEN disease THEN 120000 ELSE 812.35 END) FROM t"
    with pytest.raises(OverflowRiskError, match="the noise on"):
        planned(sql, schema, Fraction(1))
    run(planned("SELECT STDDEV(CASE WHEN disease THEN 1200 ELSE 812.35 END) FROM t", schema, Fraction(1)))


def test_noise_that_is_drawn_value_by_value_has_a_limit_of_figures() -> None:
    """4,000 groups with noise of more than 2^31 steps would take the sampler seconds, after the charge."""
    schema = schema_of(1000)
    with pytest.raises(InvalidRequestError, match=f"at most {MAX_SLOW_FIGURES}"):
        planned("SELECT many, SUM(w * 0.01) FROM t GROUP BY many", schema, Fraction(1000))
    plan = planned("SELECT SUM(w * 0.01) FROM t", schema, Fraction(1000))
    assert plan.blocks[0].sigma2_local >= SLOW_SIGMA2
    run(plan)


def test_the_largest_noise_that_is_planned_is_drawn() -> None:
    schema = schema_of(1000)
    low, high = Fraction(1, 1000), Fraction(10**5)
    for _ in range(40):
        middle = (low + high) / 2
        middle = Fraction(round(middle * 2**40), 2**40)
        try:
            plan = planned("SELECT SUM(w) FROM t", schema, middle)
        except OverflowRiskError:
            low = middle
        else:
            high = middle
    assert LARGEST_SIGMA2 // 2 < plan.blocks[0].sigma2_local <= LARGEST_SIGMA2
    run(plan)


def test_a_minimum_cell_beyond_the_ring_is_refused_before_any_session() -> None:
    table: dict[str, Any] = {"privacy_unit": "row", "rows_max": 1000, "columns": {"d": {"type": "boolean"}}}
    context = PlanContext(
        n_sites=3,
        colluding=1,
        relation="add_or_remove_one",
        delta=Fraction(1, 10**6),
        minimum_cell=2**61,
    )
    query = bind("SELECT COUNT(*) FROM t", Schema.from_dict({"tables": {"t": table}}))
    with pytest.raises(OverflowRiskError, match="minimum cell"):
        make_plan(query, mode="exact", epsilon=None, context=context)


EPSILONS = st.one_of(
    st.integers(-9, 4).map(lambda power: Fraction(10) ** power),
    st.sampled_from([Fraction(1, 2), Fraction(3), Fraction(30)]),
)
SITES = st.sampled_from([(2, 0), (3, 1), (5, 3), (8, 1)])
AGGREGATES = ["SUM", "AVG", "COUNT", "VARIANCE", "STDDEV_POP"]


def check_law(data: st.DataObject, depth: int) -> None:
    per_unit = data.draw(st.sampled_from([1, 1, 7]))
    schema = schema_of(data.draw(st.sampled_from([1, 1000, 2**20])), per_unit)
    listed = data.draw(
        st.lists(st.tuples(st.sampled_from(AGGREGATES), grammar.numbers(depth)), min_size=1, max_size=3)
    )
    outputs = [f"{name}({grammar.text(tree)}) AS o{i}" for i, (name, tree) in enumerate(listed)]
    if per_unit > 1 and data.draw(st.booleans()):
        outputs.append("COUNT(DISTINCT pid) AS u")
    keys = data.draw(st.sampled_from(["", "k", "d, k"]))
    sql = f"SELECT {', '.join(outputs)} FROM t" + (f" GROUP BY {keys}" if keys else "")
    n_sites, colluding = data.draw(SITES)
    try:
        plan = planned(sql, schema, data.draw(EPSILONS), n_sites, colluding)
    except REFUSALS as error:
        event(type(error).__name__)
        return
    event("runs")
    run(plan)


LAW = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}


@settings(max_examples=40, **LAW)
@given(st.data())
def test_law_what_is_planned_runs(data: st.DataObject) -> None:
    check_law(data, 1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=1_500, **LAW)
@given(st.data())
def test_law_of_planned_runs_at_length(data: st.DataObject) -> None:
    check_law(data, 3)


@settings(max_examples=5, **LAW)
@given(st.data())
def test_law_what_is_planned_runs_in_a_session(data: st.DataObject) -> None:
    name, tree = data.draw(st.sampled_from(AGGREGATES)), data.draw(grammar.numbers(1))
    try:
        plan = planned(
            f"SELECT k, {name}({grammar.text(tree)}) FROM t GROUP BY k", schema_of(1000), Fraction(100)
        )
    except REFUSALS:
        return
    most = np.array(plan.clamps, dtype=np.int64)
    answers = simulate(lambda session: send_answer(session, plan, most, SystemSource()), 3, timeout_s=60)
    shares = list(answers.results.values())
    assert {len(share) for share in shares} == {plan.answer_bytes}
    opened = recombine_answer(plan, shares)
    finish(plan, opened)
