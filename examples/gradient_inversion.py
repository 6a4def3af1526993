"""What an update gives away: one image of a hospital, computed back from its gradient, with and without protection.

Writes build/gradient-inversion.svg, or the file named (needs matplotlib).

Each of four hospitals trains on one 8 x 8 image (scikit-learn's
digits); the network has one hidden layer. A hidden unit's weights get the image times the slope of its intercept, so whoever
reads one exact update divides one by the other and has the image (Geiping and others, NeurIPS 2020). Gradients, clip, grid
and noise are those of the product; a masked update is uniform to all but its site and is drawn as such.
"""

import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

import federation
from federation.training.local_update import site_update, unit_vectors
from federation.training.optimizer import MODEL_BITS
from federation.training.task import TrainingTask
from privacy_accounting.noise import SystemSource

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "build/gradient-inversion.svg")
PIXELS = [f"p{place}" for place in range(64)]
HIDDEN, SITES = 8, ("a", "b", "c", "d")
COLUMNS = {name: {"type": "numeric", "lower": 0, "upper": 16, "resolution": 1} for name in PIXELS}
COLUMNS |= {"odd": {"type": "boolean"}}
TABLE = {"privacy_unit": "row", "rows_max": 100, "max_sites_per_unit": 1, "columns": COLUMNS}


def inverted(update, n_inputs):
    """Return the image that an update of the first layer gives: of the unit whose intercept moved most."""
    layer = np.asarray(update[: n_inputs * HIDDEN], np.float64).reshape(n_inputs, HIDDEN)
    unit = np.argmax(np.abs(layer[-1]))
    return np.clip(layer[:-1, unit] / layer[-1, unit], -1, 1).reshape(8, 8)


def main():
    digits = load_digits()
    rows = pd.DataFrame(digits.data[:4], columns=PIXELS).assign(odd=digits.target[:4] % 2 == 1)
    frames = {site: rows.iloc[[place]] for place, site in enumerate(SITES)}
    task = TrainingTask(
        table="patients", features=PIXELS, target="odd", model="perceptron_classifier", hidden=HIDDEN, epsilon=2, rounds=20
    )  # fmt: skip
    with federation.local(frames, schema={"tables": {"patients": TABLE}}) as session:
        plan = session.plan_training(task)
    # a later round: the output's weights are no longer 0
    first = np.array(plan.start().parameters, np.int64)
    first[-plan.shape.n_head :] = (np.arange(plan.shape.n_head) % 3 - 1) << MODEL_BITS
    state = replace(plan.start(), parameters=tuple(first.tolist()))
    cases = [plan.encoding.cases(np.array([[1, *map(int, row)]])) for row in rows.to_numpy(float)]
    planned = plan.attempt(run="picture", round_number=0, attempt=0, cohort=plan.terms.sites)
    exact = [unit_vectors(plan, each, first / 2.0**MODEL_BITS)[0] for each in cases]
    noisy = [site_update(plan, planned, each, state, SystemSource())[0] for each in cases]
    half = planned.manifest.layout.half_range
    masked = np.frombuffer(SystemSource().bytes(8 * len(exact[0])), "<u8") / 2.0**63 * half - half
    width = plan.encoding.width
    panels = {
        "the hospital's image": digits.images[0] / 8 - 1,
        "from its exact update": inverted(exact[0], width),
        "from its masked update": inverted(masked, width),
        "from the exact sum\nof four hospitals": inverted(sum(exact), width),
        "from the sum at epsilon 2": inverted(sum(noisy), width),
    }
    figure, axes = plt.subplots(1, len(panels), figsize=(11, 2.6))
    for axis, (title, image) in zip(axes, panels.items(), strict=True):
        axis.imshow(image, cmap="gray_r", vmin=-1, vmax=1)
        axis.set_title(title, fontsize=9)
        axis.axis("off")
        near = np.corrcoef(image.ravel(), digits.images[0].ravel())[0, 1]
        print(f"{' '.join(title.split()):40} correlation with the image {near:+.2f}")
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT, metadata={"Date": None}, bbox_inches="tight")


main()
