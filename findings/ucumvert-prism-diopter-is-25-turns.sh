#!/usr/bin/env bash
# ucumvert 0.3.2: one prism diopter is 155.7 radians, about 25 full turns, in place of 0.57 degrees.
#
# A good engineer expects [p'diop] to be converted by UCUM's function for it, 100 tan(angle), or to be refused like [pH].
# What happens: the unit is defined as 100 times the tangent of one radian, a constant factor, so that
# from_ucum("[p'diop]").to("deg") gives 8923 degrees.
# Why it matters: squint and prism prescriptions in eye clinics are in prism diopters. 20 of them are 11.3 degrees.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check ucumvert==0.3.2 pint==0.25.3 lark==1.3.1
"$work/venv/bin/python" - <<'PY'
import math
from importlib.metadata import version

from ucumvert import PintUcumRegistry

print("ucumvert", version("ucumvert"), "pint", version("pint"))
units = PintUcumRegistry()
found = float(units.from_ucum("[p'diop]").to("deg").magnitude)
right = math.degrees(math.atan(1 / 100))
print(f"1 [p'diop] = {found:g} degrees; by its definition, an offset of 1 cm at 1 m, {right:.4f} degrees")
assert abs(found - math.degrees(100 * math.tan(1))) < 1e-6, "the constant factor is gone"
print("as stated: the angle is 15,000 times too large")
PY
