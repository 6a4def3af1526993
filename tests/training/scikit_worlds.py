"""Data sets of scikit-learn over three sites, as a consortium inside this process."""

import math
from decimal import Decimal

import pytest
from training_world import World, a_consortium


def scikit_frame(name, target):
    """Columns with names that are SQL names, and the outcome."""
    data = pytest.importorskip("sklearn.datasets", reason="a test dependency")
    loaded = getattr(data, f"load_{name}")(as_frame=True)
    names = [f"f{place}" for place in range(loaded.data.shape[1])]
    return loaded.data.set_axis(names, axis=1).assign(**{target: loaded.target}), names


def scikit_world(key, folder, name, outcome, *, rows_max=1000):
    """Deal the rows over three sites; bounds are the largest value of each column, rounded up to one digit."""
    frame, names = scikit_frame(name, "y")
    columns = {}
    for column in names:
        largest = frame[column].abs().max() or 1.0  # a column of zeros
        power = math.floor(math.log10(largest))
        bound = Decimal(math.ceil(largest / 10.0**power)).scaleb(power)
        lower = "0" if frame[column].min() >= 0 else format(-bound, "f")
        step = format(Decimal(1).scaleb(power - 4), "f")
        columns[column] = {"type": "numeric", "lower": lower, "upper": format(bound, "f"), "resolution": step}
    tables = {
        "rows": {
            "privacy_unit": "row",
            "max_sites_per_unit": 1,
            "rows_max": rows_max,
            "columns": columns | {"y": outcome},
        }
    }
    if outcome["type"] == "boolean":
        frame["y"] = (frame["y"] == 0).astype("boolean")
    parts = {site: frame.iloc[place::3].reset_index(drop=True) for place, site in enumerate(("a", "b", "c"))}
    return World(a_consortium(tables, ("a", "b", "c")), parts, key, folder), names, frame
