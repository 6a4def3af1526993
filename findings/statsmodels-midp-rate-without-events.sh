#!/usr/bin/env bash
# statsmodels 0.15.0: with no event at all, the mid-p interval of a rate excludes every rate below 0.2996.
#
# A good engineer expects the interval for 0 events in 10 patient-years to start at 0.
# What happens: confint_poisson(0, 10, method="midp-c") returns (0.29957, 0.29957): both ends are the upper end.
# (The method "sqrt" does the same with 0.09604; the exact interval is (0, 0.36889).)
# Why it matters: rare adverse events with none at a site are the normal case in joint safety work. Here "none seen"
# is reported as "the rate is 0.2996 per year, exactly".
# The right value: lower end 0, as the mid-p upper tail at rate 0 is 1/2 and never falls to 0.025; upper end where
# exp(-10 r) / 2 = 0.025, that is r = ln(20) / 10 = 0.29957.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check statsmodels==0.15.0 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/python" - <<'PY'
import math
from importlib.metadata import version

from statsmodels.stats.rates import confint_poisson

print("statsmodels", version("statsmodels"))
years = 10
low, high = (float(end) for end in confint_poisson(0, years, method="midp-c"))
exact = [float(end) for end in confint_poisson(0, years, method="exact-c")]
one = [float(end) for end in confint_poisson(1, years, method="midp-c")]
upper = math.log(20) / years
print(f"0 events: mid-p {low:.5f} to {high:.5f}, exact {exact[0]:.5f} to {exact[1]:.5f}; 1 event: mid-p {one[0]:.5f} to {one[1]:.5f}")
print(f"by hand: 0 to {upper:.5f}")
assert exact[0] == 0 and one[0] < 0.01
assert abs(high - upper) < 1e-5
assert abs(low - high) < 1e-5, "the lower end is no longer the upper end"
print("as stated: the interval for no events is one point above 0")
PY
