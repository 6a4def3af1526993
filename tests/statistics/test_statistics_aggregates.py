"""The interface of SQL aggregates: what an object says is all that a new one needs, and exact mode fails closed."""

from fractions import Fraction

import pandas as pd
import pytest
from statistic_world import StatisticWorld

from analytics.errors import PlanRejectedError
from analytics.plans.plan import make_plan
from analytics.plans.question import bind
from analytics.results.assemble import finish
from analytics.sql.terms.expressions import Product
from analytics.statistics.aggregate import Aggregate, sum_part
from analytics.statistics.aggregates import AGGREGATES
from analytics.statistics.uncertainty.estimates import Estimate

COLUMNS = {"x": {"type": "numeric", "lower": -2, "upper": 9, "resolution": 1}, "k": {"type": "boolean"}}
SQL = "SELECT k, CUBES(x) AS c FROM patients GROUP BY k"


class Cubes(Aggregate):
    """A sum of cubes, as an expression of its own."""

    def blocks(self, argument, shift, table):
        del shift, table
        square = Product(left=argument, right=argument)
        return (("cubes", sum_part(Product(left=square, right=argument), None)[1]),)

    def estimate(self, column, figures):
        return Estimate(
            value=column.unit**3 * figures["cubes"].value, standard_error=figures["cubes"].noise_sd
        )

    def public_range(self, column, span):
        return span.lower**3 * span.n_rows, span.upper**3 * span.n_rows


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setitem(AGGREGATES, "cubes", Cubes(name="cubes", sql_names=("CUBES",)))
    frame = pd.DataFrame(
        {"x": [place % 12 - 2 for place in range(90)], "k": [place % 2 == 0 for place in range(90)]}
    )
    return StatisticWorld(frame, COLUMNS)


def plan(world, mode, epsilon=None):
    return make_plan(bind(SQL, world.schema), mode=mode, epsilon=epsilon, context=world.context)


def test_an_object_is_all_that_a_private_answer_needs(world):
    made = plan(world, "private", Fraction(1))
    (block,) = made.blocks
    assert (block.bound, block.clamp) == (9**3, 9**3 * 1000)
    total = [sum(source.local_figures(made)[place] for source in world.sources) for place in range(2)]
    result = finish(made, [int(value) * block.weight for value in total])
    known = world.frame.assign(c=world.frame.x**3).groupby("k").c.sum()
    assert [row[1] for row in result.rows] == known.tolist()
    assert result.errors[0][1] == pytest.approx(made.noise_sd(0))


def test_an_exact_sum_of_an_expression_is_refused_whatever_makes_it(world):
    """The attack: no guard knows which counts a sum of an expression would tell."""
    with pytest.raises(PlanRejectedError, match="an exact answer sums one declared column"):
        plan(world, "exact")


def test_a_function_that_no_object_stands_for_is_refused_with_its_place(world):
    for sql, reason in (
        ("SELECT CUBES(x, k) FROM patients", "CUBES takes one argument"),
        ("SELECT CUBES(DISTINCT x) FROM patients", "DISTINCT is only for counting"),
        ("SELECT FOURTHS(x) FROM patients", "unknown function FOURTHS"),
        ("SELECT 2 * CUBES(x) FROM patients", "arithmetic over aggregates"),
        ("SELECT SUM(CUBES(x)) FROM patients", "CUBES cannot stand here"),
    ):
        with pytest.raises(PlanRejectedError, match=reason) as caught:
            bind(sql, world.schema)
        assert caught.value.position.startswith("1:")
