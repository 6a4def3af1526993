"""Adverse drug events over three hospitals: which medicine goes with which reaction, counted by patient and not by report.

The data are generated here (300 patients a hospital with some reports each); the medicines and reactions are real names. Every
reaction comes without its medicine too; a reaction that only patients of one medicine had would stay closed, because the people
who have it without the medicine would be fewer than the minimum cell.
"""

import numpy as np
import pandas as pd

import crossward

CODES = ["warfarin", "amoxicillin", "metformin", "simvastatin", "bleeding", "rash", "nausea", "muscle pain"]
TABLE = {"privacy_unit": "patient", "max_sites_per_unit": 1, "max_rows_per_unit": 6, "rows_max": 3000}
TABLE |= {"population": "reports", "exact_dimensions": ["term"]}
TABLE["columns"] = {"patient": {"type": "identifier"}, "term": {"type": "categorical", "domain": CODES}}
OFTEN = {  # how often a reaction comes with a medicine
    ("warfarin", "bleeding"): 0.4,
    ("amoxicillin", "rash"): 0.2,
    ("metformin", "nausea"): 0.3,
    ("simvastatin", "muscle pain"): 0.25,
}


def hospital(seed):
    """Return one hospital's made-up reports: one row a patient and term."""
    draw = np.random.default_rng(seed)
    reports = []
    for patient in range(300):
        for (medicine, reaction), share in OFTEN.items():
            if draw.random() < 0.35:
                reports.append((f"{seed}-{patient}", medicine))
                if draw.random() < share:
                    reports.append((f"{seed}-{patient}", reaction))
        reports += [(f"{seed}-{patient}", reaction) for _, reaction in OFTEN if draw.random() < 0.08]
    return pd.DataFrame(reports, columns=["patient", "term"]).drop_duplicates()


hospitals = {name: hospital(seed) for seed, name in enumerate(("anna", "bert", "carl"), 1)}
with crossward.local(
    hospitals, schema={"tables": {"reports": TABLE}}, policy={"minimum_cell": 10}
) as session:
    found = session.table("reports").association_rules(
        ["term=*"],
        min_support=0.02,
        min_confidence=0.15,
        max_len=2,
        basket="unit",
        exact=True,
        purpose="example",
    )
    for rule in found.where(lift=1.3).rules.sort_values("lift", ascending=False).itertuples():
        print(
            *rule.antecedents,
            "->",
            *rule.consequents,
            f"confidence {rule.confidence:.2f}, lift {rule.lift:.2f}",
        )
