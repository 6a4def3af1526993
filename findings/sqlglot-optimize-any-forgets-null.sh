#!/usr/bin/env bash
# sqlglot 30.30.0: optimize() turns "unknown" into "no" in a comparison with the rows of a subquery.
#
# A good engineer expects NOT (x = ANY (SELECT ...)) to follow SQL's three-valued logic after optimize() as before it:
# with a NULL among the rows of the subquery the answer is unknown, and WHERE keeps no row.
# What happens: the subquery becomes a left join and "IS NULL", so the same WHERE keeps the patients without a match:
# 2 instead of 0. (NOT IN with a subquery, which means the same in SQL, keeps 0.)
# Why it matters: exclusion lists with one missing code are common. The joint count depends on whether a site's query
# went through the optimizer, and the two spellings of one exclusion no longer agree.
# The right value: 0, by the SQL standard, by DuckDB as written, and by three-valued logic written out in Python.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check sqlglot==30.30.0 duckdb==2.0.1
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import duckdb
import sqlglot
from sqlglot.optimizer import optimize

print("sqlglot", version("sqlglot"), "duckdb", duckdb.__version__)
patients, excluded = [1, 2, 3], [1, None]
store = duckdb.connect()
store.execute("CREATE TABLE patient (id INT)")
store.execute("CREATE TABLE excluded (id INT)")
store.executemany("INSERT INTO patient VALUES (?)", [[p] for p in patients])
store.executemany("INSERT INTO excluded VALUES (?)", [[p] for p in excluded])


def equals_any(value: int) -> bool | None:
    if value in excluded:
        return True
    return None if None in excluded else False


by_hand = sum(equals_any(p) is False for p in patients)
schema = {"patient": {"id": "int"}, "excluded": {"id": "int"}}
counts = {}
for condition in ("NOT (id = ANY (SELECT id FROM excluded))", "id NOT IN (SELECT id FROM excluded)"):
    query = f"SELECT COUNT(*) AS n FROM patient WHERE {condition}"
    optimized = optimize(sqlglot.parse_one(query, read="duckdb"), schema=schema, dialect="duckdb").sql("duckdb")
    counts[condition] = tuple(store.execute(text).fetchone()[0] for text in (query, optimized))
    print(condition, "| as written", counts[condition][0], "| optimized", counts[condition][1])
print("by three-valued logic:", by_hand)
assert by_hand == 0
assert list(counts.values()) == [(0, 2), (0, 0)], counts
print("as stated: two patients come back")
PY
