#!/usr/bin/env bash
# ucumvert 0.3.2: a low power field is as large as a high power field, so 5 cells per [LPF] equal 5 cells per [HPF].
#
# A good engineer expects UCUM's definitions, [HPF] = 1 and [LPF] = 100, to be kept: the codes stand in the same table.
# What happens: both are 1. A conversion from /[LPF] to /[HPF] leaves the number as it is.
# Why it matters: urine sediments are counted per low or per high power field, by the habit of the laboratory. Joined over
# sites by this conversion, one hospital's counts are a hundred times off against another's, without a word.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check ucumvert==0.3.2 pint==0.25.3 lark==1.3.1
"$work/venv/bin/python" - <<'PY'
import xml.etree.ElementTree as ElementTree
from importlib.metadata import version
from pathlib import Path

import ucumvert
from ucumvert import PintUcumRegistry

print("ucumvert", version("ucumvert"), "pint", version("pint"))
table = next(Path(ucumvert.__file__).parent.rglob("ucum-essence.xml"))
stated = {
    unit.get("Code"): float(next(part for part in unit if part.tag.endswith("value")).get("value"))
    for unit in ElementTree.parse(table).getroot()
    if unit.get("Code") in {"[LPF]", "[HPF]"}
}
print("UCUM's table, as the package ships it:", stated)
units = PintUcumRegistry()
found = float((5 * units.from_ucum("/[LPF]")).to(units.from_ucum("/[HPF]").units).magnitude)
print(f"5 /[LPF] = {found:g} /[HPF]; by the table {5 / stated['[LPF]'] * stated['[HPF]']:g} /[HPF]")
assert stated == {"[LPF]": 100.0, "[HPF]": 1.0}
assert found == 5, "the two fields are no longer equal"
print("as stated: both fields count alike")
PY
