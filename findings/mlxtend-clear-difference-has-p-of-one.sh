#!/usr/bin/env bash
# mlxtend 0.25.0: 90 of 100 against 10 of 100 has the p-value 1.0, and 10 against 90 has 1e-79.
#
# A good engineer expects the test of two proportions to give the same small p-value in both orders (two-sided), or the
# upper tail where the first proportion is the larger one.
# What happens: proportion_difference returns z = 18.9 and p = norm.cdf(z), the lower tail, in every case; equal
# proportions have 0.5.
# Why it matters: side effects in 90 % of one arm and 10 % of the other are reported as "p = 1.0", and the clearer the excess of the first
# group, the nearer to 1.
# The right value: 2.6e-79 two-sided by this statistic; statsmodels' proportions_ztest gives 1.1e-29 with the pooled variance.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check mlxtend==0.25.0 statsmodels==0.15.0 scikit-learn==1.9.1 scipy==1.17.1 pandas==2.3.3 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

from mlxtend.evaluate import proportion_difference
from statsmodels.stats.proportion import proportions_ztest

print("mlxtend", version("mlxtend"), "statsmodels", version("statsmodels"))
found = {pair: proportion_difference(*pair, 100, 100) for pair in ((0.9, 0.1), (0.1, 0.9), (0.8, 0.7), (0.8, 0.8))}
for pair, (z, p) in found.items():
    other = proportions_ztest([100 * share for share in pair], [100, 100])[1]
    print(f"{pair}: z = {z:.2f}, p = {p:.3g}; statsmodels, two-sided: p = {other:.3g}")
assert found[(0.9, 0.1)][1] == 1.0 and found[(0.1, 0.9)][1] < 1e-70, found
assert 0.94 < found[(0.8, 0.7)][1] < 0.96 and found[(0.8, 0.8)][1] == 0.5, found
print("as stated: the clearer the excess of the first group, the nearer is p to 1")
PY
