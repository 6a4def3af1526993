"""Adverse drug events over three sites: signals of all pairs of drugs and events, and what follows which drug.

The rows are generated here, no patient's.
"""

import numpy as np
import pandas as pd

import federation

DRUGS = ["aspirin", "statin", "opioid", "ssri", "insulin", "steroid"]
EVENTS = ["bleeding", "nausea", "rash", "fall", "headache", "oedema"]
LIKELY = {"aspirin": "bleeding", "opioid": "nausea", "steroid": "oedema"}
LIKELIHOOD = 0.3
REPORTS = {
    "privacy_unit": "patient",
    "max_sites_per_unit": 1,
    "max_rows_per_unit": 20,
    "rows_max": 20_000,
    "exact_dimensions": ["drug", "event", "day"],
    "columns": {
        "patient": {"type": "identifier"},
        "drug": {"type": "categorical", "domain": DRUGS, "nullable": True},
        "event": {"type": "categorical", "domain": EVENTS, "nullable": True},
        "day": {"type": "numeric", "lower": 0, "upper": 1000, "resolution": 1},
    },
}


def reports(seed: int, n_people: int = 1500) -> pd.DataFrame:
    """Each prescription is a row, and so is the event that comes up to 40 days after it."""
    generator, rows = np.random.default_rng(seed), []
    for person in range(n_people):
        day = int(generator.integers(0, 300))
        for drug in generator.choice(DRUGS, generator.integers(1, 4)):
            event = (
                LIKELY[drug]
                if drug in LIKELY and generator.random() < LIKELIHOOD
                else generator.choice(EVENTS)
            )
            rows += [(person, drug, None, day), (person, None, event, day + int(generator.integers(1, 40)))]
            day += int(generator.integers(1, 90))
    return pd.DataFrame(rows, columns=["patient", "drug", "event", "day"])


sites = {name: reports(seed) for seed, name in enumerate(("anna", "bert", "cleo"))}
with federation.local(sites, schema={"tables": {"reports": REPORTS}}, policy={"minimum_cell": 10}) as session:
    table = session.table("reports")
    signals = table.signals(drug="drug", event="event", exact=True, purpose="example")
    shown = ["drug", "event", "count", "expected", "ror", "ror_low", "ic_low", "eb05"]
    print(signals.where(ic_low=0, p_adjusted=0.05).frame[shown].round(2).to_string())
    patterns = table.sequential_patterns(["drug", "event"], "day", within=30, exact=True, purpose="example")
    frame = patterns.frame.dropna(subset="order_ratio").sort_values("order_ratio", ascending=False)
    print(frame.head(5).round(3).to_string(index=False))
