#!/usr/bin/env bash
# lifelines 0.30.3: the times at which a Kaplan-Meier curve is to be reported change its median.
#
# A good engineer expects timeline= to choose where the curve is printed; the median stays that of the data.
# What happens: median_survival_time_ is looked up on the printed grid: 4 on the data's own times, 10 on the grid
# 0, 2.5, 10, and infinite on a grid that stops before the median, although event_table is unchanged.
# Why it matters: joint curves are reported on an agreed coarse grid (every 30 days, say), so that single event days
# stay hidden. The median then is the next grid point, and two hospitals with the same data but other grids differ.
# The right value: the first observed time with S(t) <= 0.5. By hand for durations 1 2 3+ 4 5+:
# 4/5 * 3/4 * 1/2 = 0.3 at day 4, and 0.6 before.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check lifelines==0.30.3 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/python" - <<'PY'
import math
import warnings
from importlib.metadata import version

from lifelines import KaplanMeierFitter

warnings.simplefilter("ignore")
print("lifelines", version("lifelines"))

days, died = [1, 2, 3, 4, 5], [1, 1, 0, 1, 0]
survival, at_risk, by_hand = 1.0, len(days), math.inf
for day, event in zip(days, died):
    survival *= 1 - event / at_risk
    at_risk -= 1
    if survival <= 0.5:
        by_hand = day
        break
medians = {}
for name, grid in (("own times", None), ("0, 2.5, 10", [0, 2.5, 10]), ("0, 1, 2, 3", [0, 1, 2, 3])):
    fit = KaplanMeierFitter().fit(days, died, timeline=grid)
    medians[name] = float(fit.median_survival_time_)
    print(f"grid {name}: median {medians[name]}, events counted {int(fit.event_table['observed'].sum())}")
print("median by hand:", by_hand)
assert by_hand == 4
assert medians == {"own times": 4.0, "0, 2.5, 10": 10.0, "0, 1, 2, 3": math.inf}, medians
print("as stated: the median follows the grid")
PY
