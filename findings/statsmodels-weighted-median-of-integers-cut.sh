#!/usr/bin/env bash
# statsmodels 0.15.0: the median of the whole numbers 1, 2, 3, 4 is 2, of 1.0, 2.0, 3.0, 4.0 it is 2.5.
#
# A good engineer expects DescrStatsW(...).quantile to give one answer for equal numbers, whatever their type.
# What happens: for integer data the result is cut to whole numbers: the quartiles 1.5, 2.5, 3.5 come back as 1, 2, 3.
# Why it matters: lengths of stay, ages, scores and counts are integer columns at one site and float columns at another
# (a single missing value makes them float). Site medians then differ by up to half a unit, always downwards.
# The right value: 1.5, 2.5, 3.5, by the same method on floats and by the definition (mean of the two middle values).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check statsmodels==0.15.0 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/python" - <<'PY'
import statistics
from importlib.metadata import version

import numpy as np
from statsmodels.stats.weightstats import DescrStatsW

print("statsmodels", version("statsmodels"))
days = [1, 2, 3, 4]
levels = [0.25, 0.5, 0.75]
whole = DescrStatsW(np.array(days)).quantile(levels, return_pandas=False)
real = DescrStatsW(np.array(days, dtype=float)).quantile(levels, return_pandas=False)
print("integers:", whole.tolist(), whole.dtype, " floats:", real.tolist(), " median by hand:", statistics.median(days))
assert real.tolist() == [1.5, 2.5, 3.5] and statistics.median(days) == 2.5
assert whole.tolist() == [1, 2, 3], whole
print("as stated: quantiles of integers are cut to integers")
PY
