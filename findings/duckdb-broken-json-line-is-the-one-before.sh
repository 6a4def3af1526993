#!/usr/bin/env bash
# duckdb 2.0.1: a broken first line of a JSON Lines file is reported "in line 2", a broken third line "in line 4".
#
# A good engineer expects the number of the line that cannot be read, counted from 1 as editors do and as the same reader
# does for a value of a wrong type.
# What happens: for malformed JSON read_ndjson_objects, read_ndjson and read_json name the line after it; for a text in an
# integer column read_json names the line itself.
# Why it matters: a FHIR export has a resource a line. A hospital that removes or mends "line 4" mends a good patient's record,
# and a program that skips the named line loses that patient and fails again.
# The right value: 1 and 3.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check duckdb==2.0.1
cd "$work"
"$work/venv/bin/python" - <<'PY'
import re
from pathlib import Path

import duckdb

print("duckdb", duckdb.__version__)


def line_of(statement):
    try:
        duckdb.sql(statement).fetchall()
    except duckdb.Error as error:
        return int(re.search(r"in line (\d+)", str(error))[1])


GOOD, WRONG = '{"a":1}', '{"a":"x"}'
got = []
for bad in (1, 3):
    Path("broken.ndjson").write_text("".join(f"{'oops' if n == bad else GOOD}\n" for n in range(1, 5)))
    Path("typed.ndjson").write_text("".join(f"{WRONG if n == bad else GOOD}\n" for n in range(1, 5)))
    for reader in ("read_ndjson_objects('broken.ndjson')", "read_ndjson('broken.ndjson')"):
        got.append(line_of(f"FROM {reader}") - bad)
        print(f"{reader}: line {bad} is malformed, reported is line {bad + got[-1]}")
    typed = line_of("FROM read_json('typed.ndjson', format = 'newline_delimited', columns = {a: 'INTEGER'})")
    print(f"read_json('typed.ndjson', columns = ...): line {bad} has a text for a number, reported is line {typed}")
    assert typed == bad, typed
assert got == [1, 1, 1, 1], got
print("as stated: the line after the malformed one is named")
PY
