#!/usr/bin/env bash
# statsmodels 0.15.0: weights of 1 change the standard errors of a survival curve.
#
# A good engineer expects SurvfuncRight(time, status, freq_weights=[1, 1, ...]) to equal SurvfuncRight(time, status), and
# weights of 2 to equal every row written twice.
# What happens: the curve is the same, the standard errors are not: 0.62 instead of 0.18 where S = 0.225, and 1.18 where
# S = 0, more than any probability can have. They are no longer multiplied by S(t), and not Greenwood's either.
# Why it matters: counts of equal rows are just what sites send (so many deaths on day 7), so the joint curve is
# fitted with weights. Intervals and tests at a time point are then far too wide.
# The right value: Greenwood's formula, here by hand, and the fit without weights.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check statsmodels==0.15.0 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
from statsmodels.duration.survfunc import SurvfuncRight

print("statsmodels", version("statsmodels"))
days = np.array([1, 2, 3, 4, 5, 6, 7, 8.0])
died = np.array([1, 1, 0, 1, 1, 0, 1, 1])
plain = SurvfuncRight(days, died)
ones = SurvfuncRight(days, died, freq_weights=np.ones(8))
curve, total, greenwood = 1.0, 0.0, []
for day in days[died == 1][:-1]:
    at_risk = int((days >= day).sum())
    curve *= 1 - 1 / at_risk
    total += 1 / (at_risk * (at_risk - 1))
    greenwood.append(curve * total**0.5)
print("S(t)               ", plain.surv_prob.round(4))
print("Greenwood, by hand ", np.round(greenwood, 4))
print("without weights    ", plain.surv_prob_se.round(4))
print("with weights of 1  ", ones.surv_prob_se.round(4))
assert np.allclose(plain.surv_prob, ones.surv_prob)
assert np.allclose(plain.surv_prob_se[:-1], greenwood)
assert ones.surv_prob_se[-2] > 3 * greenwood[-1] and ones.surv_prob_se[-1] > 1, ones.surv_prob_se
print("as stated: same curve, other standard errors, the last above 1")
PY
