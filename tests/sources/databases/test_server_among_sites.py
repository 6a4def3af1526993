"""A hospital whose table stays in its PostgreSQL server among others that hold files: one answer, and a loss in the middle."""

import numpy as np
import pandas as pd
import pytest

import federation
from tests.sources.servers import running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCHEMA = {
    "tables": {
        "t": {
            "privacy_unit": "pid",
            "max_sites_per_unit": 1,
            "rows_max": 1000,
            "exact_dimensions": ["ill", "sex", "age"],
            "columns": {
                "age": {
                    "type": "numeric",
                    "lower": 0,
                    "upper": 120,
                    "resolution": 1,
                    "bins": [0, 50, 60, 70, 120],
                },
                "ill": {"type": "boolean"},
                "sex": {"type": "categorical", "domain": ["f", "m"]},
            },
        }
    }
}
DRAW = np.random.default_rng(7)
FRAMES = {
    site: pd.DataFrame(
        {
            "pid": [f"{site}{n}" for n in range(120)],
            "age": DRAW.integers(30, 90, 120),
            "ill": DRAW.integers(0, 2, 120).astype(bool),
            "sex": DRAW.choice(["f", "m"], 120),
        }
    )
    for site in "abc"
}
SQL = "SELECT sex, COUNT(*) AS n, AVG(age) AS mean FROM t GROUP BY sex ORDER BY sex"


def test_questions_and_rows_are_those_of_the_frame_until_the_server_is_lost():
    with running() as server:
        server.run("CREATE TABLE research.t (pid text, age int, ill boolean, sex text)")
        with server.session() as session, session.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO research.t VALUES (%s, %s, %s, %s)", FRAMES["a"].to_numpy().tolist()
            )
        sites = FRAMES | {"a": server.spec("research.t")}
        with (
            federation.local(sites, schema=SCHEMA, engine="numpy") as there,
            federation.local(FRAMES, schema=SCHEMA, engine="numpy") as here,
        ):
            pooled = pd.concat(FRAMES.values()).groupby("sex")["age"].agg(["size", "mean"])
            found = there.sql(SQL, exact=True).frame
            assert found["n"].tolist() == pooled["size"].tolist()
            assert found["mean"].tolist() == pytest.approx(pooled["mean"].tolist())
            row_wise = [each.table().mann_whitney("age", "ill", exact=True) for each in (there, here)]
            assert str(row_wise[0]) == str(row_wise[1])
            server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'")
            noisy = there.sql(SQL, epsilon=1).frame  # the lost site gives zero and noise, and no error
            assert len(noisy) == 2
            assert not there.nodes["a"]._sources["t"].engine._is_closed
