"""A dashboard of twenty questions over one cube, against twenty single releases of the same total charge; noise from plans."""

import math
import sys
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analytics.plans.plan import make_plan
from analytics.plans.question import bind
from analytics.plans.statistic_plan import make_statistic_plan
from analytics.results.cube_answers import fit_cube
from analytics.schema import Schema
from privacy_accounting.events import Relation
from privacy_accounting.rdp import cost_units

COLUMNS = {
    "sex": {"type": "categorical", "domain": ["F", "M"]},
    "region": {"type": "categorical", "domain": ["north", "east", "south", "west"]},
    "disease": {"type": "boolean"},
    "age": {
        "type": "numeric",
        "lower": 0,
        "upper": 120,
        "resolution": 1,
        "bins": [0, 18, 40, 50, 60, 70, 120],
    },
}
TABLE = {"privacy_unit": "row", "max_rows_per_unit": 1, "max_sites_per_unit": 1, "rows_max": 5000}
SCHEMA = Schema.from_dict({"tables": {"patients": TABLE | {"columns": COLUMNS}}})
GROUPS = (
    "", "sex", "region", "disease", "age", "sex, region", "sex, disease", "sex, age", "region, disease", "region, age",
    "disease, age",
)  # fmt: skip
FILTERS = (
    ("", "disease"),
    ("", "age >= 60"),
    ("", "sex = 'F' AND disease"),
    ("", "age >= 50 AND disease"),
    ("sex", "disease"),
    ("region", "disease"),
    ("age", "sex = 'F'"),
    ("region", "age < 18"),
    ("sex", "age >= 60 AND disease"),
)
QUESTIONS = [(groups, "") for groups in GROUPS] + list(FILTERS)


def text(groups, where):
    """A count of a group-by with a filter."""
    keys, kept = f"{groups}, " if groups else "", f" WHERE {where}" if where else ""
    by = f" GROUP BY {groups}" if groups else ""
    return f"SELECT {keys}COUNT(*) AS n FROM patients{kept}{by}"  # noqa: S608  the texts above


def compared(context, epsilon):
    """Mean absolute error of the cube's answers over that of single releases of the same total charge."""
    question = {"statistic": "cube", "table": "patients", "arguments": {"dimensions": list(COLUMNS)}}
    cube = make_statistic_plan(
        question, mode="private", epsilon=Fraction(epsilon), schema=SCHEMA, context=context
    )
    zeros = [([0.0] * size, law.sd) for size, law in zip(cube.counts.sizes, cube.noise, strict=True)]
    fitted = fit_cube(cube, zeros)
    single = _single_sd(context, _charge(cube.cost, context) // len(QUESTIONS))
    ours = [_mean_error(fitted.answer(text(*each), cost={}, receipt={})) for each in QUESTIONS]
    return math.fsum(ours) / (single * len(QUESTIONS)), max(ours) / single


def _mean_error(answer):
    errors = [row[-1] for row in answer.errors]
    return math.fsum(errors) / len(errors)  # of Gaussian noise the mean absolute error is in proportion


def _charge(events, context):
    return cost_units(events, context.order, Relation.ADD_OR_REMOVE_ONE)


def _single_sd(context, charge):
    """Noise on a count whose charge is at most this: the noise of every single release, whatever its groups."""

    @lru_cache
    def planned(thousandths):
        return make_plan(
            bind(text("", ""), SCHEMA), mode="private", epsilon=Fraction(thousandths, 1000), context=context
        )

    low, high = 1, 100_000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _charge(planned(middle).cost, context) <= charge else (low, middle)
    return planned(low).noise_sd(0)
