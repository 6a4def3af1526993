"""Personalised treatment from real records: a hormone's level under treatment, and which rule of treatment does best.

Garavan Institute's records by referral source (tests/data/thyroid; CC BY 4.0). They hold whether a patient takes thyroxine, and
no dose: the model gives the level of the hormone (TT4) that a dose is fitted to, with and without the medicine. The rules
are ranked by the share of patients whose TSH is in its usual range. Who is ill gets the medicine, so the rules' values
compare the groups as they are treated: they show the method, and are no advice.
"""

from pathlib import Path

import pandas as pd

import federation
from crossward.models import FederatedLinearRegression

DATA = Path(__file__).resolve().parents[1] / "tests" / "data" / "thyroid"
SITES = {"svi": ["svi"], "other": ["other"], "hospitals": ["svhc", "stmw", "svhd"]}
COLUMNS = {
    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1, "bins": [0, 60, 120]},
    "sex": {"type": "categorical", "domain": ["F", "M"], "nullable": True},
    "medicine": {"type": "categorical", "domain": ["none", "thyroxine"]},
    "surgery": {"type": "boolean"},
    "tsh_usual": {"type": "boolean", "nullable": True},
    "tt4": {"type": "numeric", "lower": 0, "upper": 250, "resolution": 1, "nullable": True},
}
TABLE = {"privacy_unit": "row", "max_rows_per_unit": 1, "max_sites_per_unit": 1, "rows_max": 6000}
TABLE |= {"population": "thyroid", "exact_dimensions": list(COLUMNS), "columns": COLUMNS}
USUAL = (0.4, 4.5)  # mIU/L


def records(sources):
    """Return the patients of one site with the columns above."""
    raw = pd.concat([pd.read_csv(DATA / f"{source}.csv") for source in sources], ignore_index=True)
    usual = raw["TSH"].between(*USUAL).astype(object).mask(raw["TSH"].isna(), None)
    rows = {
        "age": raw["age"].clip(upper=120),
        "sex": raw["sex"],
        "tt4": raw["TT4"].round(),
        "tsh_usual": usual,
    }
    medicine = raw["on_thyroxine"].map({0: "none", 1: "thyroxine"})
    return pd.DataFrame(rows | {"medicine": medicine, "surgery": raw["thyroid_surgery"] == 1})


with federation.local(
    {name: records(sources) for name, sources in SITES.items()},
    schema={"tables": {"patients": TABLE}},
    budget={"epsilon": 6, "query": {"share": 0.5}, "training": {"share": 0.5}},
) as session:
    model = FederatedLinearRegression(epsilon=1, rounds=20, purpose="example")
    model.fit(session, table="patients", features=["age", "sex", "medicine", "surgery"], target="tt4")
    patient = pd.DataFrame({"age": 62, "sex": "F", "medicine": ["none", "thyroxine"], "surgery": True})
    print("expected TT4 without and with thyroxine:", model.predict(patient).round(0))
    found = session.evaluate(
        model, table="patients", target="tt4", epsilon=1, metrics=["rmse", "mae", "r2", "bias"]
    )
    for name, value in found.metrics.items():
        print(f"{name:5} {value:7.3f} +- {found.noise_errors[name]:.3f}")
    values = session.table("patients").policy_value(
        "medicine", "tsh_usual", ["sex", "age"], ["none", "thyroxine", "age=none/thyroxine"], epsilon=1
    )
    print(values.frame[["value", "low", "high"]].round(3))
