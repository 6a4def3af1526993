#!/usr/bin/env bash
# fastparquet 2026.9.0: a stay of 25 hours is stored as the time of day 01:00.
#
# A good engineer expects a duration to be stored as a number of some unit, or to be refused: Parquet has no type for durations.
# What happens: the column gets the Parquet type TIME, whose values are times of day. fastparquet reads 25 hours again;
# every other reader sees a time of day: pyarrow's list shows 01:00:00.
# Why it matters: lengths of stay above one day lose their days, without an error, at the first site that reads the
# file with another library, and all of them are shorter than 24 hours there.
# The right value: 25 hours, or 90000 seconds.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check fastparquet==2026.9.0 pandas==2.3.3 pyarrow==26.0.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
from datetime import time, timedelta
from importlib.metadata import version

import pandas as pd
import pyarrow.parquet as pq

print("fastparquet", version("fastparquet"), "pandas", version("pandas"), "pyarrow", version("pyarrow"))
stay = [timedelta(hours=25), timedelta(hours=1)]
pd.DataFrame({"stay": pd.to_timedelta(stay)}).to_parquet("stay.parquet", engine="fastparquet")
column = pq.ParquetFile("stay.parquet").schema.column(0)
own = pd.read_parquet("stay.parquet", engine="fastparquet")["stay"].tolist()
other = pq.read_table("stay.parquet")["stay"].to_pylist()
print("written            ", stay)
print("type in the file   ", column.logical_type)
print("read by fastparquet", own)
print("read by pyarrow    ", other)
assert own == stay, own
assert "Time" in str(column.logical_type), column.logical_type
assert other == [time(1), time(1)], other
print("as stated: a stay of 25 hours and one of 1 hour are both one o'clock for other readers")
PY
