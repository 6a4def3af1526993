#!/usr/bin/env bash
# ucumvert 0.3.2: the UCUM code [Cal] (nutrition label Calories) is read as the small calorie, a thousandth of it.
#
# A good engineer expects [Cal] to be what UCUM defines, 1 kcal_th = 4184 J, since the library exists to read UCUM codes.
# What happens: from_ucum("[Cal]") is 4.184 J, the same as from_ucum("cal_th"); kcal_th is right.
# Why it matters: energy intake in dietary and diabetes studies is recorded in [Cal]. 2000 [Cal] a day become 8.4 kJ in place
# of 8368 kJ, without a word, next to a site that writes kcal.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check ucumvert==0.3.2 pint==0.25.3 lark==1.3.1
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

from ucumvert import PintUcumRegistry

print("ucumvert", version("ucumvert"), "pint", version("pint"))
units = PintUcumRegistry()
joules = {code: float((2000 * units.from_ucum(code)).to("kJ").magnitude) for code in ("[Cal]", "kcal_th", "cal_th")}
for code, value in joules.items():
    print(f"2000 {code} = {value:g} kJ")
print("by UCUM's own table: 2000 [Cal] = 2000 kcal_th = 8368 kJ")
assert abs(joules["kcal_th"] - 8368) < 1e-6
assert abs(joules["[Cal]"] - 8.368) < 1e-9, "[Cal] is no longer the small calorie"
print("as stated: [Cal] is a thousand times too small")
PY
