#!/usr/bin/env bash
# Pillow 13.0.0: -5 in a TIFF picture of signed bytes reads as 251, and 4000000000 in one of 32 bits without sign as -294967296.
#
# A good engineer expects the numbers of the file, or a refusal: the file says whether its integers have a sign (SampleFormat).
# What happens: signed bytes become the grey mode L, which has no sign; 32-bit integers become the mode I, which has one. Signed
# 16-bit values are right.
# Why it matters: differences of pictures and label maps are stored as signed bytes, counts as 32 bits without sign. Values
# below 0 become the brightest ones.
# The right value: [-5, 0, 5] and [0, 1, 4000000000].
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check \
  pillow==13.0.0 numpy==2.4.6 tifffile==2026.3.3
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import tifffile
from PIL import Image

print("Pillow", version("pillow"))
found = {}
for kind, values in (("int8", [-5, 0, 5]), ("int16", [-5, 0, 5]), ("uint32", [0, 1, 4_000_000_000])):
    tifffile.imwrite("values.tif", np.array([values], kind))
    assert tifffile.imread("values.tif").ravel().tolist() == values
    with Image.open("values.tif") as image:
        found[kind] = np.asarray(image).tolist()[0]
        print(f"{kind}: stored {values}, read {found[kind]} (mode {image.mode})")
assert found == {"int8": [251, 0, 5], "int16": [-5, 0, 5], "uint32": [0, 1, -294967296]}, found
print("as stated: a sign is lost in bytes and won in 32 bits")
PY
