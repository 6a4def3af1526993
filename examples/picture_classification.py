"""Classes of whole pictures without epsilon: patches of nuclei, and handwritten digits; beside a linear model over all rows.

The unit is a patch or a digit. The digits come with scikit-learn (UCI Optical Recognition of Handwritten Digits, CC BY 4.0).
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from picture_sites import DATA, open_session
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from federation.training.estimators import estimator_of

CNN = {"epsilon": None, "exact": True, "strategy": "local_adam", "rounds": 20}
FILES = tuple(f"site_{place}.npz" for place in (1, 2, 3, 4))


def trained(folder, *, array, label, size, top, deal=0, **settings):
    """Return held-out right answers of the network, and of logistic regression on the pixels of all training pictures."""
    classes = sorted({str(each) for file in FILES for each in np.load(folder / file)[label]})
    session, held = open_session(
        FILES, folder=folder, deal=deal, arrays={"picture": array},
        pictures={"picture": {"size": [size, size], "window": [0, top]}},
        columns={label: {"type": "categorical", "domain": classes}},
    )  # fmt: skip
    with session:
        model = estimator_of("picture_classifier")(aggregation="shares", **settings)
        model.fit(session, table="pictures", features=["picture"], target=label)
    kept = [place for place in range(4) if place != 3 - deal]
    stored = [np.load(folder / file) for file in FILES]
    pixels, answers = (
        np.concatenate([each[name][start::4] for each in stored for start in kept]) for name in (array, label)
    )
    linear = LogisticRegression(max_iter=500).fit(pixels.reshape(len(pixels), -1) / top, answers)
    truth = held[label]
    flat = held["picture"].reshape(len(truth), -1) / top
    return model.predict(held["picture"]) == truth.astype(str), linear.predict(flat) == truth


def interval(right, other, draws=2000):
    """Return the 95 % bootstrap interval of a difference of accuracies over the held-out pictures."""
    gain = right.astype(float) - other
    means = np.random.default_rng(1).choice(gain, (draws, len(gain))).mean(axis=1)
    return np.percentile(means, [2.5, 97.5])


def deal_digits(folder):
    """Write the digits as four sites, in their order."""
    digits = load_digits()
    for place, file in enumerate(FILES):
        np.savez(folder / file, digit=digits.images[place::4].astype(np.uint8), label=digits.target[place::4])


def tasks(folder):
    """Yield each data set's name and settings."""
    yield (
        "patches",
        {"folder": DATA / "nuclei", "array": "patch", "label": "patch_label", "size": 24, "top": 255},
    )
    deal_digits(folder)
    digits = {"folder": folder, "array": "digit", "label": "label", "size": 8, "top": 16}
    yield "digits", digits | {"augment": 0}  # a 6 that is turned is a 9


if __name__ == "__main__":
    deal = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    with tempfile.TemporaryDirectory() as made:
        for name, settings in tasks(Path(made)):
            network, linear = trained(deal=deal, **settings, **CNN)
            low, high = interval(network, linear)
            print(
                f"{name}: network {network.mean():.3f}, linear {linear.mean():.3f} on {len(linear)} pictures, ",
                end="",
            )
            print(f"difference {100 * low:+.1f} to {100 * high:+.1f} points (95 %)")
