#!/usr/bin/env bash
# zepid 0.9.1: Sensitivity is the positive predictive value, Specificity the negative one.
#
# A good engineer expects zepid.Sensitivity().fit(data, test=..., disease=...) to give the share of the diseased who test
# positive, and Specificity the share of the healthy who test negative.
# What happens: with 45 of 50 diseased positive and 40 of 50 healthy negative it reports 0.8182 (45 of the 55 positives are
# diseased) and 0.8889 (40 of the 45 negatives are healthy). The right figures are 0.9 and 0.8.
# Why it matters: predictive values depend on how common the disease is at a site, sensitivity does not. A joint table of test
# accuracy then mixes sites that differ only in prevalence, and the figures are wrong at each.
# The right value: by definition, counted in plain Python.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check zepid==0.9.1 setuptools==65.5.0 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0
"$work/venv/bin/python" - <<'PY'
import warnings
from importlib.metadata import version

import pandas as pd
from zepid import Sensitivity, Specificity

warnings.simplefilter("ignore")
print("zepid", version("zepid"))
rows = [(1, 1)] * 45 + [(0, 1)] * 5 + [(1, 0)] * 10 + [(0, 0)] * 40  # (test, disease)
data = pd.DataFrame(rows, columns=["test", "disease"])


def share(of: list[tuple[int, int]], which: tuple[int, int]) -> float:
    return of.count(which) / len(of)


sensitivity = share([r for r in rows if r[1] == 1], (1, 1))
specificity = share([r for r in rows if r[1] == 0], (0, 0))
positive_value = share([r for r in rows if r[0] == 1], (1, 1))
negative_value = share([r for r in rows if r[0] == 0], (0, 0))
got = []
for measure in (Sensitivity(), Specificity()):
    measure.fit(data, test="test", disease="disease")
    got.append(float(measure.results.iloc[0, 0]))
print(f"zepid: sensitivity {got[0]:.4f}, specificity {got[1]:.4f}")
print(f"by definition: sensitivity {sensitivity}, specificity {specificity}, predictive values {positive_value:.4f} and {negative_value:.4f}")
assert (sensitivity, specificity) == (0.9, 0.8)
assert abs(got[0] - positive_value) < 1e-9 and abs(got[1] - negative_value) < 1e-9, got
print("as stated: the predictive values under the names of sensitivity and specificity")
PY
