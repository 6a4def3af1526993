#!/usr/bin/env bash
# opendp 0.16.0: with a known number of patients, one patient's privacy loss is reported as 0.
#
# A good engineer expects measurement.map(1) to be the loss for one patient, as it is for a table of unknown size, where
# noise of scale 10 on a sum of values in 0..10 costs epsilon 1.
# What happens: once the size is declared, map(1) is 0.0 and map(2) is 1.0. The distance counts added and removed rows, and with
# the size fixed a change of one patient is two of them (one out, one in); a distance of 1 cannot occur.
# Why it matters: the number of patients is often agreed between sites, and budgets are written with "1 = one patient". Every
# query then books nothing, and the budget never ends.
# The right value: replacing one value in 0..10 moves the sum by at most 10; at scale 10 that is epsilon 1.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check opendp==0.16.0
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import opendp.prelude as dp

dp.enable_features("contrib")
print("opendp", version("opendp"))
bounded = dp.atom_domain(T=int, bounds=(0, 10))
scale = 10.0
losses = {}
for name, size in (("size unknown", None), ("size known", 4)):
    space = dp.vector_domain(bounded, size=size), dp.symmetric_distance()
    noisy = space >> dp.t.then_sum() >> dp.m.then_laplace(scale=scale)
    losses[name] = (noisy.map(1), noisy.map(2))
    print(f"{name}: map(1) = {losses[name][0]}, map(2) = {losses[name][1]}")
values = [3, 0, 7, 10]
moves = [abs((sum(values) - old + new) - sum(values)) for old in values for new in range(11)]
print("by hand, one patient replaced:", max(moves) / scale)
assert max(moves) == 10
assert abs(losses["size unknown"][0] - 1) < 1e-9
assert losses["size known"][0] == 0 and abs(losses["size known"][1] - 1) < 1e-9, losses
print("as stated: one patient costs 0.0 when the size is known")
PY
