#!/usr/bin/env bash
# scipy 1.17.1: a paired t test on unsigned bytes finds an effect that is not there.
#
# A good engineer expects ttest_rel to give the same answer for the same numbers in uint8 and in float.
# What happens: the differences are taken in the data's own type, so 20 - 30 is 246. Pain scores before and after give
# t = 2.56, p = 0.04 as unsigned bytes, and t = -0.63, p = 0.55 as floats. No warning.
# Why it matters: columns of small counts are UTINYINT in DuckDB and arrive as uint8; images are uint8 or uint16. The
# site with the compact file reports a significant change, in the wrong direction.
# The right value: t from the differences by hand: mean(d) / (sd(d) / sqrt(n)).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import math
import statistics
from importlib.metadata import version

import numpy as np
from scipy.stats import ttest_rel

print("scipy", version("scipy"))
before = [30, 10, 40, 10, 50, 90, 20, 60]
after = [20, 70, 10, 80, 20, 80, 10, 90]
differences = [a - b for a, b in zip(before, after)]
t = statistics.mean(differences) / (statistics.stdev(differences) / math.sqrt(len(differences)))
as_floats = ttest_rel(np.array(before, dtype=float), np.array(after, dtype=float))
as_bytes = ttest_rel(np.array(before, dtype=np.uint8), np.array(after, dtype=np.uint8))
print(f"by hand t {t:.4f}; floats t {as_floats.statistic:.4f}, p {as_floats.pvalue:.4f}; bytes t {as_bytes.statistic:.4f}, p {as_bytes.pvalue:.4f}")
assert abs(as_floats.statistic - t) < 1e-9 and as_floats.pvalue > 0.5
assert as_bytes.statistic > 2.5 and as_bytes.pvalue < 0.05, as_bytes
print("as stated: significant in bytes, nothing in floats")
PY
