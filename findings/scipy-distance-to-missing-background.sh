#!/usr/bin/env bash
# SciPy 1.17.1: in a mask without background the distance to the background is finite, and largest at one corner.
#
# A good engineer expects infinity, an error or a flag: distance_transform_edt is the distance to the nearest zero, and there is none.
# What happens: the result is the distance to a point outside the image, above its first row: 1.0 at one corner, 3.6 at the
# opposite one of a 3 x 3 mask. The chamfer transform of the same module gives -1 everywhere for the same mask.
# Why it matters: surface distances (Hausdorff) and boundary weights of segmentation networks are made from this transform. A tile that lies
# wholly inside an organ gets plausible distances that grow from one corner to the other, and a turned tile gets others.
# The right value: no distance.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
from scipy import ndimage

print("scipy", version("scipy"))
full = np.ones((3, 3), dtype=int)
euclidean = ndimage.distance_transform_edt(full)
chamfer = ndimage.distance_transform_cdt(full)
print("mask", full.tolist())
print("distance_transform_edt", euclidean.round(2).tolist())
print("distance_transform_cdt", chamfer.tolist())
rows, columns = np.indices(full.shape)
outside = np.hypot(rows + 1, columns)
assert np.allclose(euclidean, outside), euclidean
assert (chamfer == -1).all(), chamfer
print("as stated: the distance to a background that does not exist is a number")
PY
