#!/usr/bin/env bash
# Pillow 13.0.0: a TIFF picture whose 0 is white is turned when it has 8 bits, and not when it has 16 or holds floats.
#
# A good engineer expects one rule for PhotometricInterpretation 0 (WhiteIsZero): values as stored, or values turned, whatever
# the number of bits.
# What happens: 8-bit values v come back as 255 - v. 16-bit and float values come back as stored, with no sign that white is 0.
# Why it matters: radiographs and scans of film are stored this way. A site that exports 16 bits and one that exports 8 send
# opposite pictures into one model, and neither gets a message.
# The right value: equal pictures, here dark to bright in the same order, from both files.
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
for kind in (np.uint8, np.uint16, np.float32):
    stored = np.array([[0, 10, 200]]).astype(kind)
    tifffile.imwrite("scan.tif", stored, photometric="miniswhite")
    with Image.open("scan.tif") as image:
        found[kind.__name__] = np.asarray(image).tolist()[0]
        print(f"{kind.__name__}: stored [0, 10, 200], read {found[kind.__name__]} (mode {image.mode})")
assert found == {"uint8": [255, 245, 55], "uint16": [0, 10, 200], "float32": [0.0, 10.0, 200.0]}, found
print("as stated: 8 bits are turned, 16 bits and floats are not")
PY
