#!/usr/bin/env bash
# Pillow 13.0.0: class 1 of a grey PNG mask reads as 1, 85, 17 or 1, by the number of bits that the file was packed in.
#
# A good engineer expects the numbers of the file: the bit depth of a PNG file is how its numbers are packed.
# What happens: grey values of 2 and of 4 bits are stretched to 0..255 (times 85 and 17). Those of 1 bit and of 8 bits come as
# they are.
# Why it matters: writers that save space pack masks of three classes in 2 bits. A comparison with 1 then finds no pixel at that
# site, and the same mask saved with 8 bits finds all.
# The right value: 1 in every file.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check \
  pillow==13.0.0 numpy==2.4.6 pypng==0.20220715.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import png
from PIL import Image

print("Pillow", version("pillow"))
found = {}
for bits in (1, 2, 4, 8):
    with open("mask.png", "wb") as file:
        png.Writer(2, 1, bitdepth=bits, greyscale=True).write(file, [[0, 1]])
    with Image.open("mask.png") as image:
        found[bits] = int(np.asarray(image)[0, 1])
        print(f"{bits} bits: stored 1, read {found[bits]} (mode {image.mode})")
assert found == {1: 1, 2: 85, 4: 17, 8: 1}, found
print("as stated: 2 and 4 bits are stretched, 1 and 8 are not")
PY
