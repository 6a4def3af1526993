#!/usr/bin/env bash
# duckdb 2.0.1: the text of a JSON number is another one: 5.40 is '5.4', 100.00 is '100.0', 12345678901234567890.10 is
# '12345678901234567000.0'.
#
# A good engineer expects ->> and json_extract_string to give a number as it is written: the type JSON keeps the document's
# text, CAST of the whole document to VARCHAR returns 5.40, and PostgreSQL's ->> gives 5.40 from json and from jsonb.
# What happens: a number with a point goes through a double and is printed anew. json_transform of the same cell to
# DECIMAL(38, 20) is exact, a cast of ->> to that type is not; integers without a point keep all digits.
# Why it matters: FHIR says that the precision of a decimal is part of its meaning ("0.010 is regarded as different to 0.01")
# and that it must be kept. The two decimals of a laboratory value tell its method; a cut-off of 5.40 has another one than 5.4.
# The right value: the text of the number in the document.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check duckdb==2.0.1
"$work/venv/bin/python" - <<'PY'
from decimal import Decimal

import duckdb

print("duckdb", duckdb.__version__)
ASKED = """SELECT j ->> '$.value', json_extract_string(j, '$.value'), CAST(j AS VARCHAR),
    CAST(j ->> '$.value' AS DECIMAL(38, 15)), json_transform(j, '{"value": "DECIMAL(38, 15)"}').value
    FROM (SELECT CAST(? AS JSON) AS j)"""
got = {}
for text in ("5.40", "100.00", "0.123456789012345", "12345678901234567890.10", "12345678901234567890"):
    document = f'{{"value":{text}}}'
    arrow, named, whole, cast, exact = duckdb.execute(ASKED, [document]).fetchone()
    print(f"{document}: ->> {arrow}, cast of it {cast}, json_transform {exact}")
    assert (whole, named, exact) == (document, arrow, Decimal(text)), (whole, named, exact)
    got[text] = arrow
assert got == {
    "5.40": "5.4",
    "100.00": "100.0",
    "0.123456789012345": "0.123456789012345",
    "12345678901234567890.10": "12345678901234567000.0",
    "12345678901234567890": "12345678901234567890",
}, got
print("as stated: a number with a point is printed anew from a double")
PY
