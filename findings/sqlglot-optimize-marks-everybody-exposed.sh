#!/usr/bin/env bash
# sqlglot 30.30.0: optimize() marks every patient as exposed.
#
# A good engineer expects sqlglot.optimizer.optimize to keep the answer of a query.
# What happens: LEFT JOIN (SELECT id, 'yes' AS exposed FROM drug) is merged into the outer query, and the constant no
# longer becomes NULL where no row matched: 4 of 4 patients are exposed instead of 2. COALESCE(dose, 0) in the
# subquery does the same: patients without any prescription get dose 0 instead of none.
# Why it matters: a left join with a flag is how cohorts are marked in every hospital query. A federated engine that
# optimizes before it sends the query to the sites counts the unexposed as exposed, at every site.
# The right value: DuckDB's answer to the query as written, and the same join done by hand in Python.
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
patients, drug = [1, 2, 3, 4], [1, 4]
store = duckdb.connect()
store.execute("CREATE TABLE patient (id INT)")
store.execute("CREATE TABLE drug (id INT)")
store.executemany("INSERT INTO patient VALUES (?)", [[p] for p in patients])
store.executemany("INSERT INTO drug VALUES (?)", [[p] for p in drug])
query = "SELECT p.id, d.exposed FROM patient AS p LEFT JOIN (SELECT id, 'yes' AS exposed FROM drug) AS d ON p.id = d.id"
schema = {"patient": {"id": "int"}, "drug": {"id": "int"}}
optimized = optimize(sqlglot.parse_one(query, read="duckdb"), schema=schema, dialect="duckdb").sql("duckdb")
by_hand = [(p, "yes" if p in drug else None) for p in patients]
before, after = (sorted(store.execute(text).fetchall()) for text in (query, optimized))
print("as written:", before)
print("optimized: ", after)
print(optimized)
assert before == by_hand
assert after == [(p, "yes") for p in patients], after
print("as stated: the optimized query says yes for all four patients")
PY
