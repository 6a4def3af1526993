"""A site's own statement says less than the canonical one and gives the same integers."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from analytics.errors import PlanRejectedError
from analytics.plans.context import PlanContext
from analytics.plans.plan import make_plan
from analytics.plans.question import bind
from analytics.schema import Schema
from analytics.sources import open_frame
from analytics.sql.terms.render import DUCKDB, NODE, POSTGRESQL, SPARK

LARGE = 10**12
SCHEMA = Schema.from_dict(
    {
        "tables": {
            "t": {
                "privacy_unit": "row",
                "rows_max": 10_000,
                "max_sites_per_unit": 1,
                "exact_dimensions": ["group", "f0", "f1"],
                "columns": {
                    "group": {"type": "categorical", "domain": ["a", "b", "c"], "nullable": True},
                    "f0": {"type": "boolean", "nullable": True},
                    "f1": {"type": "categorical", "domain": ["x", "y"]},
                    "age": {
                        "type": "numeric",
                        "lower": 20,
                        "upper": 90,
                        "resolution": 1,
                        "bins": [20, 40, 90],
                    },
                    "code": {
                        "type": "numeric",
                        "lower": LARGE - 9,
                        "upper": LARGE,
                        "resolution": 1,
                        "nullable": True,
                    },
                },
            }
        }
    }
)
CONTEXT = PlanContext(
    n_sites=3, colluding=1, relation="add_or_remove_one", delta=Fraction(1, 10**9), minimum_cell=0
)
QUESTIONS = (
    "SELECT COUNT(*), AVG(age) FROM t",
    "SELECT AVG(code), COUNT(code) FROM t",
    'SELECT "group", COUNT(*), AVG(age), AVG(code) FROM t GROUP BY "group"',
    'SELECT "group", f0, AVG(age) FROM t WHERE f1 = \'x\' GROUP BY "group", f0',
    "SELECT f0, f1, VAR_SAMP(age), COUNT(*) FROM t GROUP BY f0, f1",
    "SELECT age, f1, AVG(code) FROM t GROUP BY age, f1",
    "SELECT SUM(2 * age - 5) FROM t",
)


@pytest.fixture(scope="module")
def table():
    draws = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "group": draws.choice(["a", "b", "c", "d", None], 500),
            "f0": draws.choice([True, False, None], 500),
            "f1": draws.choice(["x", "y", "?"], 500),
            "age": draws.integers(0, 99, 500),
            "code": draws.choice([LARGE - 3, LARGE, None], 500),
        }
    )
    with open_frame(frame, SCHEMA.tables["t"], site_key=bytes(32)) as opened:
        yield opened


def rows(table, statements):
    found = {}
    for statement in statements:
        for group, *values in table.engine.rows(statement, None):
            if group is not None:
                found[group] = [
                    a + b for a, b in zip(found.get(group, [0] * len(values)), values, strict=True)
                ]
    return found


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("mode", ["private", "exact"])
def test_both_give_the_same_integers(table, question, mode):
    epsilon = Fraction(1) if mode == "private" else None
    try:
        plan = make_plan(bind(question, SCHEMA), mode=mode, epsilon=epsilon, context=CONTEXT)
    except PlanRejectedError:  # it has no exact form
        assert mode == "exact"
        return
    canonical = rows(table, plan.statements(DUCKDB))
    assert canonical == rows(table, plan.statements(NODE, table._never_null))
    assert canonical == rows(table, plan.statements(NODE))
    assert plan.statements(DUCKDB) == [plan.local_sql]


def test_what_a_brief_statement_leaves_out():
    def text(question, to, never=()):
        plan = make_plan(bind(question, SCHEMA), mode="private", epsilon=Fraction(1), context=CONTEXT)
        return " ".join(plan.statements(to, never))

    mean = QUESTIONS[0]
    assert "TRY" in text(mean, DUCKDB)
    for to in (NODE, POSTGRESQL):
        assert "TRY" not in text(mean, to)
        assert f"CAST(55 AS {to.wide}) * COUNT(*)" in text(mean, to)
        assert 'COUNT("code")' in text(QUESTIONS[1], to)
        assert 'GROUP BY "t"."group", "t"."f0"' in text(QUESTIONS[3], to)
        assert text(QUESTIONS[5], to).endswith("GROUP BY 1")  # an index of bins is computed
    assert "WHERE" not in text(mean, NODE, {"age"})
    assert text(QUESTIONS[3], SPARK).endswith("GROUP BY 1")
