#!/usr/bin/env bash
# nibabel 5.4.2 and SimpleITK 2.5.7: one NIfTI file lies in two places.
#
# A good engineer expects two established readers to agree on where a voxel is, up to the known sign of the x and y axes.
# What happens: the format allows two positions in one file, the scanner's (qform) and an aligned one (sform). When the
# sform says "standard space" (code 4), nibabel takes the sform and SimpleITK the qform. Here the same voxel lies at
# (-90, -126, -72) mm for one and at (10, 20, 30) mm for the other. Both forms are valid and have equal voxel sizes.
# Why it matters: registration tools write just such files. Sites that crop or overlay an atlas with different readers send
# different anatomy under one name. If the sform has code 1, both take it.
# The right value: both positions as written to the file, with the x and y signs turned for SimpleITK.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check nibabel==5.4.2 simpleitk==2.5.7 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import tempfile
from importlib.metadata import version
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

print("nibabel", version("nibabel"), "SimpleITK", version("simpleitk"))
scanner, atlas = np.eye(4), np.eye(4)
scanner[:3, 3] = [10, 20, 30]
atlas[:3, 3] = [-90, -126, -72]
places = {}
with tempfile.TemporaryDirectory() as folder:
    for code in (1, 4):
        image = nib.Nifti1Image(np.zeros((4, 4, 4), dtype=np.int16), None)
        image.set_qform(scanner, code=1)
        image.set_sform(atlas, code=code)
        file = Path(folder) / f"{code}.nii"
        nib.save(image, file)
        first = nib.load(file).affine[:3, 3]
        second = np.array(sitk.ReadImage(str(file)).GetOrigin()) * [-1, -1, 1]
        places[code] = (first.tolist(), second.tolist())
        print(f"sform code {code}: first voxel by nibabel {first}, by SimpleITK {second} (signs turned)")
assert places[1] == ([-90, -126, -72], [-90, -126, -72]), places
assert places[4] == ([-90, -126, -72], [10, 20, 30]), places
print("as stated: with code 4 the readers take different forms")
PY
