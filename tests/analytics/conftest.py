"""Small fixtures for analytics: schemas, sites as frames, queries answered in the clear."""

import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analytics.plans.plan import Mode, Plan, PlanContext, make_plan
from analytics.plans.question import bind
from analytics.results.assemble import finish
from analytics.results.result import Result
from analytics.schema import Schema
from analytics.sources import LocalTable, open_frame

sys.path.insert(0, str(Path(__file__).parent))

KEY = b"k" * 32


class World:
    """Some sites' frames under one schema; answers without noise and without a guard."""

    def __init__(
        self, schema: Schema, frames: Sequence[pd.DataFrame], view: str = "SELECT * FROM source"
    ) -> None:
        self.schema = schema
        self.table = next(iter(schema.tables.values()))
        self.sources: list[LocalTable] = [open_frame(f, self.table, site_key=KEY, view=view) for f in frames]

    def context(self, **changes: Any) -> PlanContext:
        fields: dict[str, Any] = {
            "n_sites": 3,
            "colluding": 1,
            "relation": "add_or_remove_one",
            "delta": Fraction(1, 10**6),
            "minimum_cell": 0,
        }
        return PlanContext(**(fields | changes))

    def plan(self, sql: str, mode: Mode = "exact", epsilon: Fraction | None = None, **changes: Any) -> Plan:
        if mode == "private" and epsilon is None:
            epsilon = Fraction(1)
        return make_plan(bind(sql, self.schema), mode=mode, epsilon=epsilon, context=self.context(**changes))

    def total(self, plan: Plan) -> list[int]:
        return [int(value) for value in np.sum([s.local_figures(plan) for s in self.sources], axis=0)]

    def answer(self, sql: str, mode: Mode = "exact", epsilon: Fraction | None = None) -> Result:
        plan = self.plan(sql, mode, epsilon)
        total = self.total(plan)
        return finish(plan, [total[i] * plan.weights[i] for i in plan.opened])


SCHEMA: dict[str, Any] = {
    "tables": {
        "visits": {
            "privacy_unit": "row",
            "rows_max": 1000,
            "max_sites_per_unit": 1,
            "exact_dimensions": ["k", "b", "x"],
            "columns": {
                "x": {
                    "type": "numeric",
                    "lower": -3,
                    "upper": 5,
                    "resolution": 0.5,
                    "nullable": True,
                    "bins": [-3, 0, 2.5, 5],
                },
                "y": {"type": "numeric", "lower": "0", "upper": "9", "resolution": "1", "nullable": True},
                "k": {"type": "categorical", "domain": ["red", "green", "blue"], "nullable": True},
                "c": {"type": "categorical", "domain": [3, 6, 7], "nullable": True},
                "b": {"type": "boolean", "nullable": True},
            },
        }
    }
}


@pytest.fixture(scope="session")
def schema() -> Schema:
    return Schema.from_dict(SCHEMA)


@pytest.fixture(scope="session")
def world_of() -> Callable[..., World]:
    return World


def visits(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    columns = list(zip(*rows, strict=True)) or [[]] * 5
    x, y, k, c, b = columns
    return pd.DataFrame(
        {
            "x": pd.array(list(x), dtype="Float64"),
            "y": pd.array(list(y), dtype="Int64"),
            "k": pd.Series(list(k), dtype="object"),
            "c": pd.array(list(c), dtype="Int64"),
            "b": pd.array(list(b), dtype="boolean"),
        }
    )


@pytest.fixture(scope="session")
def frame_of() -> Callable[[Sequence[tuple[Any, ...]]], pd.DataFrame]:
    return visits


@pytest.fixture(scope="session")
def rows() -> list[tuple[Any, ...]]:
    """Sixty fixed rows, with NULLs everywhere."""
    found = []
    for i in range(60):
        x = None if i % 7 == 0 else -3 + 0.5 * (i * 5 % 17)
        y = None if i % 11 == 0 else i * 3 % 10
        k = (None, "red", "green", "blue", "red")[i % 5]
        c = (3, 6, 7, None)[i % 4]
        b = (True, False, None)[(i // 2) % 3]
        found.append((x, y, k, c, b))
    return found


@pytest.fixture(scope="session")
def world(schema: Schema, rows: list[tuple[Any, ...]]) -> World:
    return World(schema, [visits(rows[i::3]) for i in range(3)])
