#!/usr/bin/env bash
# zepid 0.9.1: the 95 % interval of a number needed to treat of 20 runs from -44 to 8, without 20 in it.
#
# A good engineer expects an interval to hold its own estimate, or to be marked when it passes through infinity.
# What happens: the two ends of the interval of the risk difference (-0.0227 to 0.1227) are inverted one by one. When that
# interval holds 0, the numbers needed to treat it stands for lie outside the printed ends, not between them.
# Why it matters: "between -44 and 8" is read as "at most 8 patients need treatment", which is the opposite: 8 is the
# best case. Small sites nearly always have such an interval.
# The right value: 8.15 to infinity (benefit) and from 44.1 upwards (harm), by inverting every difference in the interval.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check zepid==0.9.1 setuptools==65.5.0 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0
"$work/venv/bin/python" - <<'PY'
import math
import warnings
from importlib.metadata import version

from zepid.calc import number_needed_to_treat

warnings.simplefilter("ignore")
print("zepid", version("zepid"))
result = number_needed_to_treat(10, 90, 5, 95)
estimate, low, high = (float(getattr(result, name)) for name in ("point_estimate", "lower_bound", "upper_bound"))
difference = 10 / 100 - 5 / 100
margin = 1.959963985 * math.sqrt(0.1 * 0.9 / 100 + 0.05 * 0.95 / 100)
ends = difference - margin, difference + margin
inside = [ends[0] + (ends[1] - ends[0]) * (i + 0.5) / 1000 for i in range(1000)]
covered = sum(low <= 1 / d <= high for d in inside)
print(f"zepid: {estimate:.2f}, interval {low:.2f} to {high:.2f}")
print(f"by hand: difference {difference:.3f}, interval {ends[0]:.4f} to {ends[1]:.4f}, inverted ends {1 / ends[0]:.2f} and {1 / ends[1]:.2f}")
print(f"of 1000 differences inside that interval, {covered} have their number needed to treat inside zepid's")
assert abs(estimate - 20) < 1e-9 and ends[0] < 0 < ends[1]
assert abs(low - 1 / ends[0]) < 1e-3 and abs(high - 1 / ends[1]) < 1e-3, (low, high)
assert not low <= estimate <= high and covered == 0
print("as stated: the interval holds none of the values it stands for")
PY
