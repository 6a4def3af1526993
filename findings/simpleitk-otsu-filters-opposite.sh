#!/usr/bin/env bash
# SimpleITK 2.5.7: the two Otsu filters of the library give opposite masks.
#
# A good engineer expects OtsuThreshold to give 1 to the bright part (the object), and OtsuMultipleThresholds with one
# threshold to give the same mask.
# What happens: OtsuThreshold, like all its sister filters (Li, Huang, Triangle, ...), gives 1 to the dark part;
# OtsuMultipleThresholds gives 1 to the bright part, at the same threshold.
# Why it matters: sites that prepare masks with one or the other send opposite labels into joint training; a volume of
# "tissue" is the volume of air. The Dice of the two masks of the same image is 0.
# The right value: by hand, the best of all cuts of these six values is between 3 and 200.
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
values = np.array([[1, 2, 3, 200, 210, 220]], dtype=np.uint8)
image = sitk.GetImageFromArray(values)
one = sitk.GetArrayFromImage(sitk.OtsuThreshold(image))[0].tolist()
many = sitk.GetArrayFromImage(sitk.OtsuMultipleThresholds(image, 1))[0].tolist()
sisters = {
    name: sitk.GetArrayFromImage(getattr(sitk, name)(image))[0].tolist()
    for name in ("LiThreshold", "HuangThreshold", "TriangleThreshold")
}


def between(cut: int) -> float:
    low, high = values[0, :cut].astype(float), values[0, cut:].astype(float)
    return len(low) * len(high) * (low.mean() - high.mean()) ** 2


best = max(range(1, 6), key=between)
bright = [int(i >= best) for i in range(6)]
print("values                ", values[0].tolist(), "best cut after", best)
print("OtsuThreshold         ", one)
print("OtsuMultipleThresholds", many)
print(sisters)
assert bright == [0, 0, 0, 1, 1, 1] == many
assert one == [1, 1, 1, 0, 0, 0] and all(mask[0] == 1 and mask[-1] == 0 for mask in sisters.values())
print("as stated: one filter marks the dark part, the other the bright part")
PY
