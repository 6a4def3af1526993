#!/usr/bin/env bash
# SimpleITK 2.5.7: the largest diameter of every lesion is 0.0 unless it was asked for before.
#
# A good engineer expects GetFeretDiameter to give the largest diameter, as GetPhysicalSize and GetPerimeter of the same
# filter give size and perimeter, or to raise if it was not computed.
# What happens: it returns 0.0 for every label; only after ComputeFeretDiameterOn() it is computed.
# Why it matters: the largest diameter is the standard measure of a tumour's response. Zeros of one site enter a joint
# mean or a joint table as numbers, and no missing value shows it.
# The right value: the largest distance between any two voxels of the lesion, by numpy: 20 x 20 voxels of 1 mm give
# 26.87 between voxel centres.
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
lesion = np.zeros((40, 40), dtype=np.uint8)
lesion[5:25, 5:25] = 1
image = sitk.GetImageFromArray(lesion)
measure = sitk.LabelShapeStatisticsImageFilter()
measure.Execute(image)
silent, size, perimeter = measure.GetFeretDiameter(1), measure.GetPhysicalSize(1), measure.GetPerimeter(1)
measure.ComputeFeretDiameterOn()
measure.Execute(image)
asked = measure.GetFeretDiameter(1)
points = np.argwhere(lesion).astype(float)
by_hand = float(np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1)).max())
print(f"size {size}, perimeter {perimeter:.1f}, diameter {silent}; after ComputeFeretDiameterOn {asked:.4f}; by hand {by_hand:.4f}")
assert size == 400 and perimeter > 0
assert abs(asked - by_hand) < 1e-6
assert silent == 0.0, silent
print("as stated: 0.0, without any error")
PY
