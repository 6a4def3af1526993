"""Three energy suppliers forecast tomorrow's load together and plan a common reserve, without showing a household to each other.

The data are generated here (400 households a supplier, one day each), since suppliers publish none. The joint model gives each
household's load from temperature, size and heating; the sum of the forecasts, with its error, gives the schedule of the plants.
"""

import numpy as np
import pandas as pd

import crossward
from crossward.models import FederatedLinearRegression

COLUMNS = {
    "temperature": {"type": "numeric", "lower": -20, "upper": 40, "resolution": 1, "unit": "Cel"},
    "people": {"type": "numeric", "lower": 1, "upper": 8, "resolution": 1},
    **{name: {"type": "boolean"} for name in ("heat_pump", "weekend")},
    "load": {"type": "numeric", "lower": 0, "upper": 60, "resolution": 0.1},
}
TABLE = {"privacy_unit": "row", "max_sites_per_unit": 1, "rows_max": 1000, "population": "households"}
TABLE |= {"columns": COLUMNS}
FEATURES = ["temperature", "people", "heat_pump", "weekend"]
PLANTS = {"wind": (9000, 5), "gas": (8000, 70), "reserve": (6000, 160)}  # kWh a day, price of one


def supplier(seed, warmth, share_pumps):
    """Return one supplier's made-up households of one day; load in kWh."""
    draw = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "temperature": draw.normal(warmth, 7, 400).round().clip(-20, 40),
            "people": draw.integers(1, 6, 400),
            "heat_pump": draw.random(400) < share_pumps,
            "weekend": draw.random(400) < 2 / 7,
        }
    )
    heating = rows["heat_pump"] * (20 - rows["temperature"]).clip(lower=0) * 0.6
    load = 3 + 2.2 * rows["people"] + heating + 1.5 * rows["weekend"] + draw.normal(0, 1.5, 400)
    return rows.assign(load=load.round(1).clip(0, 60))


suppliers = {"coast": supplier(1, 9, 0.5), "hills": supplier(2, 2, 0.7), "plain": supplier(3, 6, 0.4)}
with crossward.local(
    suppliers,
    schema={"tables": {"households": TABLE}},
    budget={"epsilon": 4, "query": {"share": 0.5}, "training": {"share": 0.5}},
) as session:
    model = FederatedLinearRegression(epsilon=1.5, rounds=30, purpose="example")
    model.fit(session, table="households", features=FEATURES, target="load")

today = supplier(4, 5, 0.5)  # households that no model was trained with
error = np.abs(model.predict(today[FEATURES]) - today["load"]).mean()
print(f"error of a household's forecast: {error:.1f} kWh")
tomorrow = {name: supplier(seed, 0, 0.5)[FEATURES] for seed, name in enumerate(suppliers, 10)}
forecasts = {name: float(model.predict(households).sum()) for name, households in tomorrow.items()}
print("forecast of each supplier, in kWh:", {name: round(load) for name, load in forecasts.items()})
left = 1.1 * sum(forecasts.values())  # a tenth as reserve
for plant, (most, price) in sorted(PLANTS.items(), key=lambda item: item[1][1]):  # cheapest first
    runs = min(most, left)
    left -= runs
    print(f"{plant:8} {runs:7.0f} kWh at {price}")
