#!/usr/bin/env bash
# nibabel 5.4.2: a mask of 0 and 1, saved as bytes and read again, has no voxel equal to 1.
#
# A good engineer expects labels 0, 1, 2, 3 held in a float array to be stored as the bytes 0, 1, 2, 3 when the file's type
# is uint8 or int16: they all fit.
# What happens: floats are always stretched over the whole range of the integer type, with a scale factor in the header.
# Label 1 comes back as 1.00000002 (uint8) or 0.9999999998 (int16), so "== 1" finds nothing. Whole-number arrays are not stretched.
# Why it matters: resampled masks are floats, and the header is reused from the image. The volume of label 1 is then 0 at that
# site, without an error, while sites that round first report the true volume.
# The right value: one voxel of each label, counted before saving.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check nibabel==5.4.2 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import tempfile
from importlib.metadata import version
from pathlib import Path

import nibabel as nib
import numpy as np

print("nibabel", version("nibabel"))
labels = np.array([[[0.0, 1.0, 2.0, 3.0]]])
with tempfile.TemporaryDirectory() as folder:
    counts = {}
    for kind in (np.uint8, np.int16):
        for source in (labels, labels.astype(kind)):
            image = nib.Nifti1Image(source, np.eye(4))
            image.set_data_dtype(kind)
            nib.save(image, Path(folder) / "mask.nii")
            again = nib.load(Path(folder) / "mask.nii").get_fdata()
            counts[(source.dtype.name, kind.__name__)] = int((again == 1).sum())
            print(f"{source.dtype.name} saved as {kind.__name__}: label 1 reads {again[0, 0, 1]!r}, voxels equal to 1: {(again == 1).sum()}")
print("before saving:", int((labels == 1).sum()))
assert counts == {("float64", "uint8"): 0, ("uint8", "uint8"): 1, ("float64", "int16"): 0, ("int16", "int16"): 1}, counts
print("as stated: float labels come back next to their numbers")
PY
