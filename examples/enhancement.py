"""Noise taken out of pictures of several sites, without epsilon: nuclei (the unit is a tile) and MRI (a slice)."""

import sys

import numpy as np
from picture_sites import NUCLEI, PLANES, open_session

from federation.training.estimators import estimator_of

TASKS = {"nuclei": (NUCLEI, "tile"), "mri": (PLANES, "image")}
SIGMA = 25
DENOISER = {"epsilon": None, "exact": True, "strategy": "local_adam", "rounds": 60, "local_epochs": 8}


def noisy(pictures, seed=0):
    """Return pictures with Gaussian noise of 25 grey values, cut to 0 to 255."""
    noise = np.random.default_rng(seed).normal(0, SIGMA, pictures.shape)
    return np.clip(pictures + noise, 0, 255)


def trained(task, deal=0, **settings):
    """Return the fitted model and the held-out clean pictures."""
    files, array = TASKS[task]
    pictures = {"picture": {"size": [64, 64], "window": [0, 255]}}
    session, held = open_session(files, pictures=pictures, arrays={"picture": array}, deal=deal)
    with session:
        model = estimator_of("denoiser")(aggregation="shares", **settings)
        model.fit(session, table="pictures", features=["picture"], target="picture")
    return model, held["picture"]


if __name__ == "__main__":
    for task in sys.argv[1:] or TASKS:
        model, clean = trained(task, **DENOISER)
        worse = noisy(clean)
        before = np.mean(10 * np.log10(255**2 / ((worse - clean) ** 2).mean(axis=(1, 2))))
        found, alike = model.score(worse, clean), model.similarity(worse, clean)
        print(
            f"{task}: {before:.2f} dB with noise, {found:.2f} dB enhanced, similarity {alike:.3f}, {len(clean)} pictures"
        )
