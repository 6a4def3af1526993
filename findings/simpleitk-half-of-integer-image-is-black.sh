#!/usr/bin/env bash
# SimpleITK 2.5.7: an integer image times 0.5 is black, and times 1.5 is unchanged.
#
# A good engineer expects image * 0.5 to be halved (perhaps as a float image, perhaps rounded), as image / 2 is.
# What happens: the number is first cut to the image's own pixel type: 0.5 becomes 0, 1.5 becomes 1, and "+ 0.9" adds
# nothing. CT voxels 10, 20, 100 times 0.5 are 0, 0, 0; divided by 0.5 they are infinite. "image == 10.7" finds 10.
# Why it matters: rescale slopes, unit changes and intensity augmentation at a site are written like this. One
# site with float files gets the right figures, the next with integer files trains on black images; nothing is raised.
# The right value: 5, 10, 50, by numpy and by the same operator on the float image.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check simpleitk==2.5.7 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import SimpleITK as sitk

print("SimpleITK", version("simpleitk"))
voxels = np.array([[10, 20, 100]], dtype=np.int16)
whole = sitk.GetImageFromArray(voxels)
real = sitk.GetImageFromArray(voxels.astype(np.float32))


def show(image: sitk.Image) -> list[float]:
    return sitk.GetArrayFromImage(image)[0].tolist()


print("int16 * 0.5   ", show(whole * 0.5), "numpy:", (voxels * 0.5)[0].tolist(), "float image:", show(real * 0.5))
print("int16 * 1.5   ", show(whole * 1.5), "numpy:", (voxels * 1.5)[0].tolist(), "float image:", show(real * 1.5))
print("int16 / 2     ", show(whole / 2), " int16 / 0.5", show(whole / 0.5))
print("int16 == 10.7 ", show(whole == 10.7))
assert show(real * 0.5) == (voxels * 0.5)[0].tolist() == [5, 10, 50]
assert show(whole / 2) == [5, 10, 50]
assert show(whole * 0.5) == [0, 0, 0] and show(whole * 1.5) == [10, 20, 100]
assert show(whole / 0.5) == [np.inf] * 3 and show(whole == 10.7) == [1, 0, 0]
print("as stated: constants are cut to the pixel type")
PY
