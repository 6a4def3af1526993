"""Fraud at three banks: a joint risk model and joint rules. No bank shows a payment or a customer to another.

The data are generated here, since banks publish none: 900 customers a bank, one row each, with few frauds at each bank alone.
"""

import numpy as np
import pandas as pd

import crossward
from crossward.models import FederatedLogisticRegression

COLUMNS = {
    "payments": {"type": "numeric", "lower": 0, "upper": 200, "resolution": 1, "bins": [0, 40, 200]},
    "largest": {"type": "numeric", "lower": 0, "upper": 20_000, "resolution": 1, "bins": [0, 5000, 20_000]},
    **{name: {"type": "boolean"} for name in ("abroad", "night", "new_device", "fraud")},
}
TABLE = {"privacy_unit": "row", "max_sites_per_unit": 1, "rows_max": 1500, "population": "customers"}
TABLE |= {"exact_dimensions": list(COLUMNS), "columns": COLUMNS}
FEATURES = [name for name in COLUMNS if name != "fraud"]


def bank(seed, share_abroad):
    """Return one bank's made-up customers."""
    draw = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "payments": draw.poisson(30, 900),
            "largest": draw.gamma(2, 900, 900).round().clip(0, 20_000),
            "abroad": draw.random(900) < share_abroad,
            "night": draw.random(900) < 0.2,
            "new_device": draw.random(900) < 0.1,
        }
    )
    odds = rows[["abroad", "night", "new_device"]] @ [1.5, 1.2, 2.2] + rows["largest"] / 4000 - 4.2
    return rows.assign(fraud=draw.random(900) < 1 / (1 + np.exp(-odds)))


banks = {"north": bank(1, 0.1), "south": bank(2, 0.3), "west": bank(3, 0.2)}
with crossward.local(
    banks,
    schema={"tables": {"customers": TABLE}},
    budget={"epsilon": 4, "query": {"share": 0.25}, "training": {"share": 0.75}},
    policy={"minimum_cell": 5},
) as session:
    items = ["abroad", "night", "new_device", "largest>=5000", "fraud"]
    found = session.table("customers").association_rules(
        items, min_support=0.005, min_confidence=0.3, exact=True, purpose="example"
    )
    for rule in found.rules.itertuples():
        if rule.consequents == {"fraud"}:
            print(
                *sorted(rule.antecedents), f"-> fraud: confidence {rule.confidence:.2f}, lift {rule.lift:.1f}"
            )
    model = FederatedLogisticRegression(epsilon=1.5, rounds=20, purpose="example")
    model.fit(session, table="customers", features=FEATURES, target="fraud")
    print("weights:", dict(zip(model.feature_names_out_, model.coef_[0].round(2).tolist(), strict=True)))
    other = bank(4, 0.2)
    chances = pd.Series(model.predict_proba(other[FEATURES])[:, 1])
    worst = other["fraud"][chances.rank(ascending=False) <= 45]
    print(f"of its {other['fraud'].sum()} frauds a fourth bank finds {worst.sum()} among 45 customers")
