#!/usr/bin/env bash
# pyarrow 26.0.1: the mean of the decimals 1 and 2 is 2.
#
# A good engineer expects pyarrow.compute.mean of a decimal column to have more digits than the column, as AVG has in SQL:
# 1.5, and 1.667 for 1.0, 2.0, 2.0.
# What happens: the result keeps the column's own scale: 2, and 1.7.
# Why it matters: laboratory values and doses leave databases as DECIMAL(10, 0) or DECIMAL(10, 1). A site that computes its mean
# in Arrow sends a rounded one into the joint mean; over 0/1 columns every mean is 0 or 1.
# The right value: the mean as an exact fraction.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check pyarrow==26.0.1
"$work/venv/bin/python" - <<'PY'
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc

print("pyarrow", pa.__version__)
got = {}
for texts in (("1", "2"), ("1.0", "2.0", "2.0"), ("0", "0", "1")):
    column = pa.array([Decimal(text) for text in texts])
    right = sum(map(Fraction, texts)) / len(texts)
    got[texts] = pc.mean(column).as_py()
    print(f"{column.type} {', '.join(texts)}: mean {got[texts]}, exact {float(right):.4f}, of floats {pc.mean(pa.array([float(t) for t in texts])).as_py():.4f}")
assert list(got.values()) == [Decimal(2), Decimal("1.7"), Decimal(0)], got
print("as stated: the mean has the scale of the column")
PY
