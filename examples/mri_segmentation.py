"""Grey and white matter in slices of three planes, a site each: a U-Net without epsilon. The unit is a slice."""

import sys

from picture_sites import PLANES, open_session

from federation.training.estimators import estimator_of

PICTURES = {
    "slice": {"size": [64, 64], "window": [0, 255]},
    "tissue": {"size": [64, 64], "classes": ["other", "grey", "white"]},
}
UNET = {"epsilon": None, "exact": True, "strategy": "local_adam", "rounds": 40}


def trained(deal=0, planes=PLANES, model="unet", **settings):
    """Return the fitted model and the held-out slices and tissues, 12 of each plane."""
    session, held = open_session(
        planes, pictures=PICTURES, arrays={"slice": "image", "tissue": "label"}, deal=deal
    )
    with session:
        fitted = estimator_of(model)(aggregation="shares", **settings)
        fitted.fit(session, table="pictures", features=["slice"], target="tissue")
    return fitted, held["slice"], held["tissue"]


if __name__ == "__main__":
    model, slices, tissues = trained(int(sys.argv[1]) if len(sys.argv) > 1 else 0, **UNET)
    scores = model.scores(slices, tissues)
    for name, dice, distance in zip(scores.classes, scores.dice, scores.hausdorff95, strict=True):
        print(f"{name}: Dice {dice:.3f}, Hausdorff 95 {distance:.2f} pixels")
    print(f"mean Dice {scores.mean_dice:.3f} on {len(slices)} slices")
