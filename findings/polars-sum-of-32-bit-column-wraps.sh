#!/usr/bin/env bash
# polars 2.1.0: the sum of a column of 32-bit integers can be negative, that of an 8-bit column cannot.
#
# A good engineer expects one rule: sums of small integer types are widened. For 8 and 16 bits they are (200 + 100 = 300 in UInt8).
# What happens: the sum of Int32 stays in 32 bits and wraps without an error: 2,000,000,000 + 2,000,000,000 is -294967296, alone and in a
# group; the mean of the same column is right.
# Why it matters: costs in cents, platelet counts per litre and durations in seconds or milliseconds arrive as 32-bit columns from Parquet and databases. A total
# over a hospital passes 2^31 easily, and its sign or size is wrong beside a right mean.
# The right value: 4000000000.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check polars==2.1.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import polars as pl

print("polars", version("polars"))
cost = pl.Series("cost", [2_000_000_000, 2_000_000_000], dtype=pl.Int32)
small = pl.Series("small", [200, 100], dtype=pl.UInt8)
group = pl.DataFrame({"site": ["a", "a"], "cost": cost}).group_by("site").agg(pl.col("cost").sum())["cost"][0]
print("Int32: sum", cost.sum(), "in a group", group, "mean", cost.mean(), "; UInt8: sum", small.sum())
print("as Int64: sum", cost.cast(pl.Int64).sum())
assert cost.sum() == group == -294967296, (cost.sum(), group)
assert cost.mean() == 2e9 and small.sum() == 300 and cost.cast(pl.Int64).sum() == 4_000_000_000
print("as stated: the sum of two positive 32-bit numbers is negative")
PY
