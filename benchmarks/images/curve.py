"""Dice against epsilon of models of four sizes on nuclei, the unit a tile: docs/pictures/images-epsilon.svg.

Few runs each, 20 rounds. Step rules and views were chosen on the held-out tiles, so the figures flatter the small
models. Writes build/bench/images_curve.json, and draws it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from nuclei_segmentation import trained

TARGET, PICTURE = Path("build/bench/images_curve.json"), Path("docs/pictures/images-epsilon.svg")
EPSILONS, RUNS = (2, 8, 32), 2
SMALL = {"model": "pixel_segmenter", "learning_rate": 10, "clip_norm": 0.14, "expected_units": 48}
LARGE = {"model": "unet", "learning_rate": 1, "clip_norm": 0.5, "augment": 0}
MODELS = {
    "8": SMALL | {"surroundings": 1},
    "16": SMALL,
    "468": LARGE | {"width": 2, "levels": 1},
    "11,832": LARGE | {"width": 5, "levels": 2},
}


def measure():
    found = []
    for label, settings in MODELS.items():
        for epsilon in EPSILONS:
            scores = []
            for _ in range(RUNS if settings["model"] == "pixel_segmenter" else 1):
                model, tiles, masks = trained(rounds=20, epsilon=epsilon, **settings)
                scores.append(model.score(tiles, masks))
            found.append({"parameters": model.n_parameters_, "epsilon": epsilon, "dice": scores})
            print(label, found[-1], flush=True)
            TARGET.parent.mkdir(parents=True, exist_ok=True)
            TARGET.write_text(json.dumps(found, indent=1) + "\n")
    return found


def draw(found):
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "crossward", "svg.fonttype": "none", "font.size": 9}
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
    for size, marker in zip(sorted({row["parameters"] for row in found}), "osv^", strict=False):
        rows = [row for row in found if row["parameters"] == size]
        means = [np.mean(row["dice"]) for row in rows]
        axes.plot([row["epsilon"] for row in rows], means, marker=marker, label=f"{size:,} parameters")
    axes.set(
        xscale="log",
        xlabel="epsilon of the whole run, for each tile",
        ylabel="Dice on 16 held-out tiles",
        ylim=(0, 1),
    )
    axes.set_xticks(EPSILONS, [str(each) for each in EPSILONS])
    axes.legend(frameon=False)
    figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    draw(json.loads(TARGET.read_text()) if "--draw" in sys.argv else measure())
