#!/usr/bin/env bash
# mpyc 0.11: dividing by a secret fixed-point number gives 0 when the fraction is not half of the bits.
#
# A good engineer expects SecFxp(64, 16), 64 bits of which 16 after the point, to divide at least as well as
# SecFxp(32, 16): the type is accepted, and sums, products and comparisons in it are right.
# What happens: 1 / x is 0 for every x tried, without any error, and so mpyc.statistics.correlation of two clearly
# related columns is 0.0 and linear_regression has slope 0. (A note at SecFxp says to keep l near 2f when dividing.)
# Why it matters: more digits before the point is the obvious choice for sums over hospitals, and "no correlation" looks
# like a finding, not like a fault.
# The right value: the same figures from the statistics module of the standard library.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check mpyc==0.11
"$work/venv/bin/python" - <<'PY'
import statistics
import sys
from importlib.metadata import version

sys.argv = ["one-party"]
from mpyc import statistics as secret_statistics
from mpyc.runtime import mpc

print("mpyc", version("mpyc"))
dose, answer = [1, 2, 2, 4], [2, 3, 5, 5]
right = statistics.correlation(dose, answer)
slope = statistics.linear_regression(dose, answer).slope
print(f"in the clear: correlation {right:.4f}, slope {slope:.4f}")
got = {}
for name, kind in (("SecFxp(32, 16)", mpc.SecFxp(32, 16)), ("SecFxp(64, 16)", mpc.SecFxp(64, 16))):
    x, y = [kind(v) for v in dose], [kind(v) for v in answer]
    r = mpc.run(mpc.output(secret_statistics.correlation(x, y)))
    b = mpc.run(mpc.output(secret_statistics.linear_regression(x, y).slope))
    half = mpc.run(mpc.output(1 / kind(2)))
    product = mpc.run(mpc.output(kind(2.5) * kind(4)))
    got[name] = (half, r, b)
    print(f"{name}: 1/2 = {half}, 2.5 * 4 = {product}, correlation {r:.4f}, slope {b:.4f}")
    assert product == 10
assert abs(got["SecFxp(32, 16)"][1] - right) < 0.001 and abs(got["SecFxp(32, 16)"][2] - slope) < 0.001
assert got["SecFxp(64, 16)"] == (0, 0, 0), got["SecFxp(64, 16)"]
print("as stated: more bits before the point, and every quotient is 0")
PY
