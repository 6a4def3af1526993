#!/usr/bin/env bash
# fastparquet 2026.9.0: dates of birth in a file written by pyarrow come back as numbers of nanoseconds.
#
# A good engineer expects a column of dates to be dates again, since pandas writes the Parquet type DATE and both engines
# of pandas read Parquet.
# What happens: read with engine="fastparquet", 1 January 2020 is the integer 1577836800000000000, in a column of type object. Without
# the note that pandas leaves in the file (the same column written by pyarrow itself) the value is a timestamp, as expected.
# Why it matters: a filter "born before 2000" compares a number with a date or, after a cast, keeps everybody of one
# side. Two sites with one file and two readers have two tables.
# The right value: 2020-01-01.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check fastparquet==2026.9.0 pandas==2.3.3 pyarrow==26.0.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
from datetime import date
from importlib.metadata import version

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

print("fastparquet", version("fastparquet"), "pandas", version("pandas"), "pyarrow", version("pyarrow"))
born = [date(2020, 1, 1), date(1960, 1, 1)]
pd.DataFrame({"born": born}).to_parquet("pandas.parquet", engine="pyarrow")
pq.write_table(pa.table({"born": born}), "arrow.parquet")
by_pyarrow = pd.read_parquet("pandas.parquet", engine="pyarrow")["born"].tolist()
by_fastparquet = pd.read_parquet("pandas.parquet", engine="fastparquet")["born"].tolist()
without_note = pd.read_parquet("arrow.parquet", engine="fastparquet")["born"].tolist()
print("written                     ", born)
print("read by pyarrow             ", by_pyarrow)
print("read by fastparquet         ", by_fastparquet)
print("the same without pandas' note", without_note)
assert by_pyarrow == born, by_pyarrow
assert by_fastparquet == [1577836800000000000, -315619200000000000], by_fastparquet
assert [moment.date() for moment in without_note] == born, without_note
print("as stated: dates of birth are numbers for one of two readers of one file")
PY
