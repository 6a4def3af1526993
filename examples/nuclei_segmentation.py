"""Where nuclei are, from four sites: a U-Net without epsilon, and 16 parameters with one. The unit is a tile."""

import sys

from picture_sites import NUCLEI, open_session

from federation.training.estimators import estimator_of

PICTURES = {
    "tile": {"size": [64, 64], "window": [0, 128]},
    "nuclei": {"size": [64, 64], "classes": ["background", "nucleus"]},
}


def trained(deal=0, model="unet", **settings):
    """Return the fitted model and the held-out tiles and masks."""
    session, held = open_session(
        NUCLEI, pictures=PICTURES, arrays={"tile": "tile", "nuclei": "mask"}, deal=deal
    )
    with session:
        fitted = estimator_of(model)(aggregation="shares", **settings)
        fitted.fit(session, table="pictures", features=["tile"], target="nuclei")
    return fitted, held["tile"], held["nuclei"]


UNET = {"epsilon": None, "exact": True, "strategy": "local_adam", "rounds": 25}
PRIVATE = {
    "model": "pixel_segmenter",
    "rounds": 20,
    "learning_rate": 10,
    "clip_norm": 0.14,
    "expected_units": 48,
}

if __name__ == "__main__":
    deal = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    model, tiles, masks = trained(deal, **UNET)
    print(
        f"U-Net of {model.n_parameters_} parameters, no epsilon: Dice {model.score(tiles, masks):.3f} on {len(tiles)} tiles"
    )
    for epsilon in (8, 2):
        model, tiles, masks = trained(deal, epsilon=epsilon, **PRIVATE)
        print(
            f"{model.n_parameters_} parameters, epsilon {epsilon} a tile: Dice {model.score(tiles, masks):.3f}"
        )
