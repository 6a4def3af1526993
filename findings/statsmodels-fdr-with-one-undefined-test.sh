#!/usr/bin/env bash
# statsmodels 0.15.0: one test without a p-value empties all adjusted p-values, and the verdicts stay.
#
# A good engineer expects multipletests(..., method="fdr_bh") to leave a missing p-value missing and to adjust the others,
# or to raise.
# What happens: all four adjusted p-values become NaN, while "reject" still says True for two of them. With
# method="bonferroni" the others are adjusted, but as if the missing test had been done: times 4 instead of 3.
# Why it matters: in a table of many outcomes over many sites one test is always not defined (no event, no variance).
# Reports then show significant rows without a p-value, or the p-value of a family that is too large.
# The right value: Benjamini and Hochberg over the three tests that exist, written out by hand: 0.03, 0.03, 0.04.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check statsmodels==0.15.0 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
from statsmodels.stats.multitest import multipletests

print("statsmodels", version("statsmodels"))
p = np.array([0.01, 0.02, np.nan, 0.04])
known = p[~np.isnan(p)]
m = len(known)
by_hand = [min(known[j] * m / (j + 1) for j in range(i, m)) for i in range(m)]
reject, adjusted = multipletests(p, method="fdr_bh")[:2]
_, bonferroni = multipletests(p, method="bonferroni")[:2]
print("p          ", p)
print("fdr_bh     ", adjusted, "reject", reject)
print("bonferroni ", bonferroni)
print("by hand, over the three tests:", np.round(by_hand, 4), "and", known * m)
assert np.allclose(by_hand, [0.03, 0.03, 0.04]) and np.allclose(multipletests(known, method="fdr_bh")[1], by_hand)
assert np.isnan(adjusted).all() and reject.tolist() == [True, True, False, False], (adjusted, reject)
assert np.allclose(bonferroni[[0, 1, 3]], known * 4)
print("as stated: no adjusted value is left, yet two tests are rejected")
PY
