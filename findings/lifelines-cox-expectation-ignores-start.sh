#!/usr/bin/env bash
# lifelines 0.30.3: the expected survival time of a Cox model leaves out everything before the first event.
#
# A good engineer expects CoxPHFitter.predict_expectation to be the area under the predicted survival curve from
# time 0, so that adding 100 days to every duration adds 100 days to every expectation.
# What happens: the area starts at the first observed duration. With durations 1..8 the answer is 3.40 where the
# area is 4.81; with 101..108 it is still 3.40 where the area is 104.81, although no patient died before day 101.
# Why it matters: with a joint model over hospitals the "expected" time is short by the first event time of the
# pooled data, so it changes when a site with earlier events joins, and it can lie far below the shortest stay.
# The right value: the area under the library's own curve, with S = 1 before the first time, summed here by hand.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check lifelines==0.30.3 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/python" - <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter

warnings.simplefilter("ignore")
print("lifelines", version("lifelines"))

days = np.array([1, 2, 3, 4, 5, 6, 7, 8.0])
died = [1, 1, 0, 1, 1, 0, 1, 1]
arm = [0.0, 1, 0, 1, 0, 1, 0, 1]
answers = {}
for shift in (0, 100):
    table = pd.DataFrame({"days": days + shift, "died": died, "arm": arm})
    model = CoxPHFitter().fit(table, "days", "died")
    patient = table.iloc[:1]
    curve = model.predict_survival_function(patient).iloc[:, 0]
    times = np.r_[0, curve.index.to_numpy()]
    heights = np.r_[1, curve.to_numpy()]
    steps = float(np.sum(np.diff(times) * heights[:-1]))
    got = float(model.predict_expectation(patient).iloc[0])
    answers[shift] = got
    print(f"durations from {1 + shift}: predict_expectation {got:.4f}, area under the curve {steps:.4f}")
    assert steps - got > 1 + shift, "the answer is no longer short by the first duration"
assert abs(answers[0] - answers[100]) < 1e-6, "adding 100 days now changes the answer"
print("as stated: 100 more days for everybody leave the expectation unchanged")
PY
