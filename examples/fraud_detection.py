"""Fraud at three banks: a joint risk model and joint rules. No bank shows a payment or a customer to another.

The data are generated here (900 customers a bank), since banks publish none; each bank sees few frauds of its own. One row is one
customer with the month's payments. What fraud looks like is the same at all banks, how often it happens is not.
"""

import numpy as np
import pandas as pd

import crossward
from crossward.models import FederatedLogisticRegression

COLUMNS = {
    "payments": {"type": "numeric", "lower": 0, "upper": 200, "resolution": 1, "bins": [0, 40, 200]},
    "largest": {"type": "numeric", "lower": 0, "upper": 20_000, "resolution": 1, "bins": [0, 5000, 20_000]},
    "abroad": {"type": "boolean"},
    "night": {"type": "boolean"},
    "new_device": {"type": "boolean"},
    "fraud": {"type": "boolean"},
}
TABLE = {"privacy_unit": "row", "max_sites_per_unit": 1, "rows_max": 1500, "population": "customers"}
TABLE |= {"exact_dimensions": list(COLUMNS), "columns": COLUMNS}
CHECKED = 45
FEATURES = [name for name in COLUMNS if name != "fraud"]


def bank(seed, share_abroad):
    """Return one bank's made-up customers."""
    draw = np.random.default_rng(seed)
    size = 900
    rows = pd.DataFrame(
        {
            "payments": draw.poisson(30, size),
            "largest": draw.gamma(2, 900, size).round().clip(0, 20_000),
            "abroad": draw.random(size) < share_abroad,
            "night": draw.random(size) < 0.2,
            "new_device": draw.random(size) < 0.1,
        }
    )
    odds = (
        -4.2 + 1.5 * rows["abroad"] + 1.2 * rows["night"] + 2.2 * rows["new_device"] + rows["largest"] / 4000
    )
    return rows.assign(fraud=draw.random(size) < 1 / (1 + np.exp(-odds)))


banks = {"north": bank(1, 0.1), "south": bank(2, 0.3), "west": bank(3, 0.2)}
with crossward.local(
    banks,
    schema={"tables": {"customers": TABLE}},
    budget={"epsilon": 4, "query": {"share": 0.25}, "training": {"share": 0.75}},
    policy={"minimum_cell": 5},
) as session:
    found = session.table("customers").association_rules(
        ["abroad", "night", "new_device", "largest>=5000", "fraud"],
        min_support=0.005,
        min_confidence=0.3,
        exact=True,
        purpose="example",
    )
    rules = found.rules[[consequents == {"fraud"} for consequents in found.rules["consequents"]]]
    print(
        rules[["antecedents", "consequents", "support", "confidence", "lift"]].round(3).to_string(index=False)
    )
    model = FederatedLogisticRegression(epsilon=1.5, rounds=20, purpose="example")
    model.fit(session, table="customers", features=FEATURES, target="fraud")
    print(
        {
            name: round(float(weight), 2)
            for name, weight in zip(model.feature_names_out_, model.coef_[0], strict=True)
        }
    )
    other = bank(4, 0.2)
    chances = pd.Series(model.predict_proba(other[FEATURES])[:, 1])
    worst = other["fraud"][chances.rank(ascending=False) <= CHECKED]
    print(
        f"a fourth bank checks its {CHECKED} riskiest customers: {worst.sum()} of its {other['fraud'].sum()} frauds"
    )
