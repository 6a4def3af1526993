#!/usr/bin/env bash
# dp-accounting 0.6.0: the same argument, parameter=4, is little noise for one Laplace mechanism and much for the other.
#
# A good engineer expects from_discrete_laplace_mechanism(parameter) to take what from_laplace_mechanism(parameter)
# takes, the scale of the noise, so that 4 means epsilon 1/4 for a count in both.
# What happens: for the discrete mechanism the parameter is the inverse of the scale: 4 means epsilon 4.
# Why it matters: counts over hospitals are integers, so the discrete mechanism is the one to use. A site that writes the
# scale of its noise there books 16 times the loss, or, if it calibrates the noise by it, adds a sixteenth of it.
# The right value: the largest log ratio of the two neighbouring distributions with weights exp(-|k| / 4), summed by hand.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check dp-accounting==0.6.0 numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/python" - <<'PY'
import math
from importlib.metadata import version

from dp_accounting.pld import privacy_loss_distribution as pld

print("dp-accounting", version("dp-accounting"))
scale = 4.0
continuous = pld.from_laplace_mechanism(scale).get_epsilon_for_delta(0.0)
discrete = pld.from_discrete_laplace_mechanism(scale).get_epsilon_for_delta(0.0)
inverse = pld.from_discrete_laplace_mechanism(1 / scale).get_epsilon_for_delta(0.0)


def log_weight(k: int) -> float:
    return -abs(k) / scale


by_hand = max(abs(log_weight(k) - log_weight(k - 1)) for k in range(-200, 201))
print(f"Laplace, parameter 4: epsilon {continuous:.4f}; discrete, parameter 4: {discrete:.4f}; discrete, parameter 1/4: {inverse:.4f}")
print(f"by hand, integer noise of scale 4: {by_hand:.4f}")
assert math.isclose(by_hand, 0.25) and math.isclose(continuous, 0.25, rel_tol=1e-6) and math.isclose(inverse, 0.25, rel_tol=1e-3)
assert math.isclose(discrete, 4.0, rel_tol=1e-6), discrete
print("as stated: epsilon 4 instead of 1/4")
PY
