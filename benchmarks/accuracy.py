"""Benchmark of accuracy: noise of twelve questions at four epsilons beside targets; build/bench/accuracy.json, a table.

Nothing is run and nothing is drawn: noise follows from plans. Targets: scalars at most 1.18 times the best central Gaussian
of equal (epsilon, delta), vectors and group-bys 1.26 times; for the rest see ``checks``. ``BEFORE`` was measured before
the exact profile, joint blocks and other noise (equal parts, Rényi conversion), with the same four sites.
"""

# ruff: noqa: E402 - the product is imported from the checkout

import json
import math
import sys
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from analytics.plans.context import PlanContext
from analytics.plans.plan import make_plan
from analytics.plans.question import bind
from analytics.schema import Schema
from analytics.statistics.blocks import Measure
from benchmarks.dashboard import compared
from privacy_accounting.events import Relation
from privacy_accounting.rdp import cost_units, gaussian_delta

DELTA, ORDER, SITES, COLLUDING = Fraction(4, 10**7), Fraction(13), 4, 1
EPSILONS = ("0.1", "0.5", "1", "2")
BEFORE = {"0.1": 47.4, "0.5": 10.4, "1": 5.415, "2": 2.833}  # one count
ONE, MANY = "scalar", "vector"
COUNT = "SELECT COUNT(*) FROM patients"
MEAN = "SELECT AVG(age) FROM patients"
FOUR = "SELECT COUNT(*), AVG(age), STDDEV_SAMP(age) FROM patients"
QUESTIONS = (
    (ONE, COUNT),
    (ONE, "SELECT COUNT(*) FROM patients WHERE age > 60 AND disease"),
    (ONE, "SELECT SUM(stays) FROM patients"),
    (ONE, "SELECT COUNT(chol) FROM patients"),
    (MANY, "SELECT sex, COUNT(*) FROM patients GROUP BY sex"),
    (MANY, "SELECT sex, disease, COUNT(*) FROM patients GROUP BY sex, disease"),
    (MANY, MEAN),
    (MANY, "SELECT AVG(disease) FROM patients"),
    (MANY, "SELECT COUNT(*), SUM(stays) FROM patients"),
    (MANY, "SELECT sex, COUNT(*), AVG(age) FROM patients GROUP BY sex"),
    (MANY, FOUR),
    (MANY, "SELECT VAR_SAMP(chol) FROM patients"),
)
COLUMNS = {
    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1},
    "stays": {"type": "numeric", "lower": 0, "upper": 30, "resolution": 1},
    "chol": {"type": "numeric", "lower": 50, "upper": 650, "resolution": 1, "nullable": True},
    "sex": {"type": "categorical", "domain": ["F", "M"]},
    "disease": {"type": "boolean"},
}
TABLE = {"privacy_unit": "row", "max_rows_per_unit": 1, "max_sites_per_unit": 1, "rows_max": 5000}
SCHEMA = Schema.from_dict({"tables": {"patients": TABLE | {"columns": COLUMNS}}})
CONTEXT = PlanContext(
    n_sites=SITES,
    colluding=COLLUDING,
    relation="add_or_remove_one",
    delta=DELTA,
    minimum_cell=10,
    order=ORDER,
)


def planned(sql, epsilon, mechanism="gaussian"):
    return make_plan(
        bind(sql, SCHEMA), mode="private", epsilon=Fraction(epsilon), context=CONTEXT, mechanism=mechanism
    )


def best_central(epsilon):
    """Deviation over sensitivity of the best Gaussian of one party (Balle and Wang), by halving."""
    low, high = 1e-3, 1e6
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if gaussian_delta(1 / middle, float(epsilon)) > DELTA else (low, middle)
    return high


def sds(plan):
    return [plan.noise_sd(place) for place in range(len(plan.blocks))]


def charge(plan):
    return cost_units(plan.cost, ORDER, Relation.ADD_OR_REMOVE_ONE) / 2**40


def before_charge(sd):
    """Charge of one count under Gaussian noise of so much in all, whose honest part is counted."""
    return float(ORDER) / 2 / (sd**2 * (SITES - COLLUDING) / SITES)


def at_charge(most):
    """The release by ``auto`` of the largest epsilon, to a millionth, whose charge is at most this.

    A site's variance is a whole number of steps, so that noise comes in steps of up to half a percent.
    """
    low, high = 1e-3, 20.0
    for _ in range(24):
        middle = round(math.sqrt(low * high), 7)
        low, high = (middle, high) if charge(planned(COUNT, str(middle), "auto")) <= most else (low, middle)
    return planned(COUNT, str(low), "auto")


def sensitivities(plan):
    """What one row changes in each block, squares around half of their largest, as a central release would have them."""
    found = []
    for block in plan.blocks:
        by_sum = [other.bound for other in plan.blocks if other.measure is Measure.SUM]
        found.append(by_sum[-1] ** 2 / 2 if block.measure is Measure.SQUARES else block.bound)
    return found


def by_block(plan, epsilon):
    """Geometric mean over blocks of our noise over that of the best central Gaussian, equal parts for the blocks."""
    central = best_central(epsilon) * math.sqrt(len(plan.blocks))
    ratios = [sd / (central * s) for sd, s in zip(sds(plan), sensitivities(plan), strict=True)]
    return math.prod(ratios) ** (1 / len(ratios))


def against_central(plan, epsilon):
    """The same; of a mean alone the ratio of its errors where the true mean lies a sixth of R from the center."""
    if [column.aggregate.name for column in plan.columns if column.aggregate] != ["mean"]:
        return by_block(plan, epsilon)
    central, far = best_central(epsilon) * math.sqrt(2), plan.blocks[1].bound / 6
    count, total = sds(plan)
    return math.hypot(total, far * count) / math.hypot(plan.blocks[1].bound * central, far * central)


def checks():
    """What else the targets name: (what, epsilon, measured, target)."""
    yield "laplace, one count: sd", "0.5", planned(COUNT, "0.5", "laplace").noise_sd(0), 3.3
    for epsilon in EPSILONS:
        auto, gaussian = (planned(COUNT, epsilon, each) for each in ("auto", "gaussian"))
        yield (
            "auto, one count, same epsilon: sd over the sd before",
            epsilon,
            auto.noise_sd(0) / BEFORE[epsilon],
            1.0,
        )
        yield "auto, one count: charge over gaussian's now", epsilon, charge(auto) / charge(gaussian), 1.0
        earlier = at_charge(before_charge(BEFORE[epsilon]))
        ratio = earlier.noise_sd(0) / BEFORE[epsilon]
        yield "auto, one count, same charge as before: sd over before", epsilon, ratio, 1.005
        mean = planned(MEAN, epsilon)
        yield (
            "AVG by block, against equal parts of a central Gaussian",
            epsilon,
            by_block(mean, epsilon),
            1.26,
        )
        count, total = sds(mean)
        was = math.sqrt(2) * BEFORE[epsilon]
        errors = [math.hypot(total, far * count) / math.hypot(60 * was, far * was) for far in (0, 5, 10)]
        yield "AVG, mean within 10 of the center: error over before", epsilon, max(errors), 0.82
        was = [2 * BEFORE[epsilon] * scale for scale in (1, 60, 1800)]
        ratios = [sd / before for sd, before in zip(sds(planned(FOUR, epsilon)), was, strict=True)]
        yield "four blocks: largest over before", epsilon, max(ratios), 0.83
        yield "four blocks: geometric mean over before", epsilon, math.prod(ratios) ** (1 / 3), 0.78


def dashboard():
    """Twenty questions over one cube, against twenty single releases of the same total charge."""
    for epsilon in EPSILONS:
        mean, worst = compared(CONTEXT, epsilon)
        yield "a dashboard of 20 over one cube: mean absolute error", epsilon, mean, 0.5
        yield "the same: the worst question's error over a single release's", epsilon, worst, 1.0


def main():
    rows = []
    print(
        f"{'ours / best central Gaussian':64}" + "".join(f"{'e = ' + e:>9}" for e in EPSILONS) + "   target"
    )
    for shape, sql in QUESTIONS:
        target = 1.18 if shape == ONE else 1.26
        ratios = [against_central(planned(sql, epsilon), epsilon) for epsilon in EPSILONS]
        met = max(ratios) <= target
        print(
            f"{sql[7:70]:64}"
            + "".join(f"{ratio:9.3f}" for ratio in ratios)
            + f"{target:9}"
            + ("" if met else "  NOT MET")
        )
        for epsilon, ratio in zip(EPSILONS, ratios, strict=True):
            plan = planned(sql, epsilon)
            rows.append(
                {
                    "question": sql,
                    "epsilon": epsilon,
                    "noise_sd": sds(plan),
                    "charge": charge(plan),
                    "ratio": ratio,
                    "target": target,
                }
            )
    print()
    for what, epsilon, measured, target in [*checks(), *dashboard()]:
        met = measured <= target
        print(f"{what:60} e = {epsilon:4} {measured:8.3f}   at most {target}" + ("" if met else "  NOT MET"))
        rows.append({"question": what, "epsilon": epsilon, "measured": measured, "target": target})
    into = ROOT / "build" / "bench"
    into.mkdir(parents=True, exist_ok=True)
    (into / "accuracy.json").write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
