"""Panels of docs/images.md: input, truth and prediction of held-out pictures, from the models that tasks wrote."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from benchmarks.images.tasks import FOLDER
from federation.training.estimators import estimator_of

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import enhancement
from picture_sites import DATA

PICTURES = Path("docs/pictures")
SHOWN = {
    "nuclei-segmentation": ("unet", "nuclei/site_1.npz", "tile", "mask", (3, 7, 11)),
    "mri-segmentation": ("unet", "mri_slices/axial.npz", "image", "label", (15, 23, 31)),
    "nuclei-enhancement": ("denoiser", "nuclei/site_1.npz", "tile", "tile", (3, 7, 11)),
    "mri-enhancement": ("denoiser", "mri_slices/axial.npz", "image", "image", (15, 23, 31)),
}


def panel(name):
    """Draw one task."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    kind, file, source, target, places = SHOWN[name]
    model = estimator_of(kind).load(FOLDER / f"{name}-0.json")
    stored = np.load(DATA / file)
    shown, truth = stored[source][list(places)], stored[target][list(places)]
    if kind == "denoiser":
        shown, found = enhancement.noisy(truth), 255 * model.predict(enhancement.noisy(truth))[:, 0]
    else:
        found = model.predict(shown)
    figure, axes = plt.subplots(len(places), 3, figsize=(4.5, 1.5 * len(places)), layout="constrained")
    for row, pictures in zip(axes, zip(shown, truth, found, strict=True), strict=True):
        for place, (cell, picture) in enumerate(zip(row, pictures, strict=True)):
            top = (
                truth.max()
                if kind == "unet" and place
                else 255
                if place or kind == "denoiser"
                else shown.max()
            )
            cell.imshow(
                picture, cmap="gray" if kind == "denoiser" or not place else "viridis", vmin=0, vmax=top
            )
            cell.set_axis_off()
    for cell, title in zip(axes[0], ("input", "truth", "prediction"), strict=True):
        cell.set_title(title, fontsize=9)
    figure.savefig(PICTURES / f"images-{name}.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    for each in sys.argv[1:] or SHOWN:
        panel(each)
