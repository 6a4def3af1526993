#!/usr/bin/env bash
# pint 0.25.3: a white cell count of 7.2 "10*3/uL" is read as 216 per microlitre.
#
# A good engineer expects the unit text of most laboratory results ("10*3/uL", UCUM's way to write a thousand per microlitre, also in HL7
# and LOINC) to be understood or refused.
# What happens: the text is read as a product: 7.2 times 10 times 3 per microlitre. "10^3/uL" is read as a thousand.
# Why it matters: two spellings of one unit, both common in one laboratory's files, differ by 33.3; a count of 7200 becomes 216,
# a value that an alarm for a bone-marrow failure would fire on.
# The right value: 7200 per microlitre.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check pint==0.25.3
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import pint

print("pint", version("pint"))
registry = pint.UnitRegistry()
found = {text: registry.Quantity(f"7.2 {text}").to("1/microliter").magnitude for text in ("10*3/uL", "10^3/uL", "10**3/uL")}
for text, value in found.items():
    print(f"7.2 {text:9} -> {value:.1f} per microlitre")
assert abs(found["10*3/uL"] - 216) < 1e-6, found
assert abs(found["10^3/uL"] - 7200) < 1e-6 and abs(found["10**3/uL"] - 7200) < 1e-6, found
print("as stated: a thousand in UCUM's spelling is thirty")
PY
