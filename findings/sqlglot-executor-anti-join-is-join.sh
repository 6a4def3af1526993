#!/usr/bin/env bash
# sqlglot 30.30.0: the built-in executor runs ANTI JOIN and SEMI JOIN as ordinary joins.
#
# A good engineer expects sqlglot.executor.execute either to refuse a join it does not know or to do it right:
# ANTI JOIN keeps the patients without a lab value (2 here), SEMI JOIN those with one, once each (2 here).
# What happens: both give one row for each matching pair: 3 and 3. No error.
# Why it matters: the executor is used as an independent check of SQL on small tables. "Patients never tested" then
# means the tested ones, counted once for each test.
# The right value: DuckDB's answer, and sets in Python.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check sqlglot==30.30.0 duckdb==2.0.1
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import duckdb
from sqlglot.executor import execute

print("sqlglot", version("sqlglot"), "duckdb", duckdb.__version__)
patients, labs = [1, 2, 3, 4], [1, 1, 2]
store = duckdb.connect()
store.execute("CREATE TABLE patient (id INT)")
store.execute("CREATE TABLE lab (id INT)")
store.executemany("INSERT INTO patient VALUES (?)", [[p] for p in patients])
store.executemany("INSERT INTO lab VALUES (?)", [[p] for p in labs])
schema = {"patient": {"id": "int"}, "lab": {"id": "int"}}
tables = {"patient": [{"id": p} for p in patients], "lab": [{"id": p} for p in labs]}
right = {"ANTI": len(set(patients) - set(labs)), "SEMI": len(set(patients) & set(labs))}
for kind in right:
    query = f"SELECT COUNT(*) AS n FROM patient AS p {kind} JOIN lab AS l ON p.id = l.id"
    duck = store.execute(query).fetchone()[0]
    ours = execute(query, schema=schema, tables=tables, dialect="duckdb").rows[0][0]
    print(f"{kind} JOIN: executor {ours}, DuckDB {duck}, by sets {right[kind]}")
    assert duck == right[kind] == 2
    assert ours == 3, ours
print("as stated: both are run as an inner join")
PY
