"""Joint figures of four real hospitals, against pandas on one pooled file."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analytics.plans.plan import PlanContext, make_plan
from analytics.plans.question import bind
from analytics.results.assemble import finish
from analytics.schema import Schema
from analytics.sources import LocalTable, SourceSpec, open_table

DATA = Path(__file__).resolve().parents[3] / "federation" / "demo" / "data" / "heart_disease"
HOSPITALS = ("cleveland", "hungary", "switzerland", "va_long_beach")
VIEW = """
SELECT * REPLACE (CASE as_number(sex) WHEN 1 THEN 'M' ELSE 'F' END AS sex, NULLIF(as_number(chol), 0) AS chol), as_number(num) > 0 AS disease
FROM source -- chol = 0 means not measured
"""
SCHEMA = Schema.from_dict(
    {
        "tables": {
            "patients": {
                "population": "cardiology",
                "privacy_unit": "row",
                "max_sites_per_unit": 1,
                "rows_max": 1000,
                "exact_dimensions": ["sex", "age", "disease", "cp"],
                "columns": {
                    "age": {
                        "type": "numeric",
                        "lower": 0,
                        "upper": 120,
                        "resolution": 1,
                        "bins": [0, 40, 60, 120],
                    },
                    "sex": {"type": "categorical", "domain": ["F", "M"]},
                    "cp": {"type": "categorical", "domain": [1, 2, 3, 4]},
                    "trestbps": {"type": "numeric", "lower": 0, "upper": 250, "resolution": 1},
                    "chol": {"type": "numeric", "lower": 0, "upper": 700, "resolution": 1, "nullable": True},
                    "thalach": {"type": "numeric", "lower": 0, "upper": 250, "resolution": 1},
                    "oldpeak": {"type": "numeric", "lower": -10, "upper": 10, "resolution": "0.1"},
                    "disease": {"type": "boolean"},
                },
            }
        }
    }
)
CONTEXT = PlanContext(
    n_sites=4, colluding=1, relation="add_or_remove_one", delta=Fraction(1, 10**6), minimum_cell=10
)


@pytest.fixture(scope="module")
def hospitals() -> Iterator[list[LocalTable]]:
    table = SCHEMA.tables["patients"]
    specs = [SourceSpec(kind="csv", path=DATA / f"{name}.csv", view=VIEW) for name in HOSPITALS]
    sources = [open_table(spec, table, site_key=bytes(32), threads=1) for spec in specs]
    yield sources
    for source in sources:
        source.close()


@pytest.fixture(scope="module")
def pooled() -> pd.DataFrame:
    frame = pd.concat([pd.read_csv(DATA / f"{name}.csv") for name in HOSPITALS], ignore_index=True)
    frame["chol"] = frame["chol"].replace(0, np.nan)
    frame["disease"] = frame["num"] > 0
    return frame


def ask(hospitals: list[LocalTable], sql: str, mode: str = "exact") -> dict:
    epsilon = Fraction(1, 2) if mode == "private" else None
    plan = make_plan(bind(sql, SCHEMA), mode=mode, epsilon=epsilon, context=CONTEXT)
    total = np.sum([site.local_figures(plan, 10) for site in hospitals], axis=0)
    result = finish(plan, [int(total[i]) * plan.weights[i] for i in plan.opened])
    return {row[0]: row[1:] for row in result.rows}


def test_by_sex(hospitals: list[LocalTable], pooled: pd.DataFrame) -> None:
    sql = "SELECT sex, COUNT(*) AS n, AVG(age) AS age, AVG(disease) AS share FROM patients GROUP BY sex"
    found = ask(hospitals, sql)
    assert found["F"] == pytest.approx((194, pooled[pooled.sex == 0].age.mean(), 50 / 194), rel=1e-12)
    assert found["M"] == pytest.approx((726, pooled[pooled.sex == 1].age.mean(), 459 / 726), rel=1e-12)


@pytest.mark.parametrize("mode", ["exact", "private"])
@pytest.mark.parametrize(
    ("column", "n", "mean", "sd"),
    [("age", 920, 53.5109, 9.42469), ("trestbps", 861, 132.132, 19.0661), ("thalach", 865, 137.546, 25.9263),
     ("oldpeak", 858, 0.878788, 1.09123)],
)  # fmt: skip
def test_published_statistics(hospitals, pooled, mode, column, n, mean, sd) -> None:
    sql = f"SELECT COUNT({column}) AS n, AVG({column}) AS m, STDDEV_SAMP({column}) AS sd, VAR_POP({column}) v FROM patients"
    [(count, (average, deviation, variance))] = ask(hospitals, sql, mode).items()
    assert (count, average, deviation) == pytest.approx((n, mean, sd), rel=1e-5)
    exact = (pooled[column].mean(), pooled[column].std(), pooled[column].var(ddof=0))
    assert (average, deviation, variance) == pytest.approx(exact, rel=1e-9)


def test_disease_by_band(hospitals: list[LocalTable], pooled: pd.DataFrame) -> None:
    found = ask(
        hospitals, "SELECT age, SUM(disease) AS s, COUNT(*) AS n FROM patients WHERE cp = 4 GROUP BY age"
    )
    cases = pooled[pooled.cp == 4]
    bands = pd.cut(cases.age, [0, 40, 60, 121], right=False)
    grouped = cases.groupby(bands, observed=False).disease
    assert list(found) == ["[0, 40)", "[40, 60)", "[60, 120]"]
    assert list(found.values()) == list(zip(grouped.sum(), grouped.count(), strict=True))


def test_missing_cholesterol_is_not_zero(hospitals: list[LocalTable], pooled: pd.DataFrame) -> None:
    [(count, (mean,))] = ask(hospitals, "SELECT COUNT(chol), AVG(chol) FROM patients").items()
    assert (count, mean) == (int(pooled.chol.count()), pytest.approx(pooled.chol.mean(), rel=1e-12))


def test_case_over_columns(hospitals: list[LocalTable], pooled: pd.DataFrame) -> None:
    sql = "SELECT SUM(CASE WHEN oldpeak >= 1 THEN 1 ELSE 0 END) FROM patients"
    assert list(ask(hospitals, sql, "private")) == [381]


def test_the_administrator_hears_what_is_missing(hospitals: list[LocalTable]) -> None:
    lines = list(hospitals[3].report.lines())
    assert lines[0] == "va_long_beach.csv: 200 rows read, 200 kept in table patients"
    assert "column trestbps: 56 missing" in lines
