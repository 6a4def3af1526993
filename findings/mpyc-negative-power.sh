#!/usr/bin/env bash
# mpyc 0.11: a secret fixed-point number to the power -1 is not its reciprocal but an astronomic number.
#
# A good engineer expects x ** -1 to be 1 / x, which works for the same type and value.
# What happens: 2 ** -1 is -9223372036854775808 (1 / 2 is 0.5), 4 ** -2 is about 1.8e13 (the right value is 0.0625):
# the power takes the inverse in the prime field underneath instead of the inverse of the fixed-point number.
# Why it matters: weights of the form variance ** -1 in a joint meta-analysis are written just so. No error is raised.
# The right value: 0.5 and 0.0625, in the clear and by secret division.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check mpyc==0.11
"$work/venv/bin/python" - <<'PY'
import sys
from importlib.metadata import version

sys.argv = ["one-party"]
from mpyc.runtime import mpc

print("mpyc", version("mpyc"))
kind = mpc.SecFxp(32)
for base, power in ((2, -1), (4, -2)):
    right = base**power
    divided = mpc.run(mpc.output(1 / kind(base) ** -power))
    raised = mpc.run(mpc.output(kind(base) ** power))
    print(f"{base} ** {power}: in the clear {right}, by secret division {divided:.4f}, by the secret power {raised}")
    assert abs(divided - right) < 0.001
    assert abs(raised) > 1e12, "the negative power is no longer astronomic"
print("as stated: negative powers are inverses in the field, not reciprocals")
PY
