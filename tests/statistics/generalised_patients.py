"""A random table for generalised linear models; tests/oracles/statistics/generalised.py makes the same one."""

import numpy as np
import pandas as pd

COLUMNS = {
    "ill": {"type": "boolean"},
    "smoker": {"type": "boolean"},
    "ward": {"type": "categorical", "domain": ["a", "b", "c"]},
    "age": {"type": "numeric", "lower": 20, "upper": 100, "resolution": 0.5, "nullable": True},
    "visits": {"type": "numeric", "lower": 0, "upper": 40, "resolution": 1},
    "years": {"type": "numeric", "lower": 0.1, "upper": 10, "resolution": 0.1},
    "log_years": {"type": "numeric", "lower": -2, "upper": 3, "resolution": 0.001},
    "cost": {"type": "numeric", "lower": 1, "upper": 2000, "resolution": 1},
}


def patients(n=2400, seed=14):
    """Every fortieth age is missing, ward c is drawn by place, so that the third site has it alone where it gets every third row."""
    generator = np.random.default_rng(seed)
    age = np.round(generator.uniform(25, 95, n) * 2) / 2
    ward = np.where(np.arange(n) % 3 == 0, "c", np.where(generator.random(n) < 0.5, "a", "b"))
    smoker = generator.random(n) < 0.4
    years = np.round(generator.uniform(0.5, 5, n), 1)
    odds = 0.03 * (age - 60) + 0.7 * smoker + np.where(ward == "c", -0.6, 0.2) - 0.4
    visits = generator.poisson(
        years * np.exp(0.02 * (age - 60) + 0.4 * smoker + np.where(ward == "b", 0.3, 0))
    )
    cost = generator.gamma(2.0, 50 * np.exp(0.01 * (age - 60) + 0.3 * smoker))
    return pd.DataFrame(
        {
            "ill": generator.random(n) < 1 / (1 + np.exp(-odds)),
            "smoker": smoker,
            "ward": ward,
            "age": np.where(np.arange(n) % 40 == 7, np.nan, age),
            "visits": np.minimum(visits, 40),
            "years": years,
            "log_years": np.round(np.log(years), 3),
            "cost": np.clip(np.round(cost), 1, 2000),
        }
    )


def patients_by_site():
    """The same table, whose three sites differ: rows 0, 3, 6, ... are more often ill and cost more where they smoke."""
    data = patients()
    place = np.arange(len(data)) % 3
    data["ill"] = data.ill | ((place == 0) & data.smoker & (np.arange(len(data)) % 4 == 0))
    data["cost"] = np.minimum(data.cost + np.where((place == 1) & data.smoker, 25, 0), 2000)
    return data
