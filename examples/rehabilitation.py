"""Which plan of rehabilitation for which genotype: rules ranked by a doubly robust value, on GENERATED patients.

No open data set has both, so the patients are generated here: the intensive plan helps carriers and tires all others, and the
therapists gave it more often to the young. The rules of treatment are ranked with interval from one private release; since the
patients are made, the true values stand beside it.
"""

import numpy as np
import pandas as pd

import federation

GENOTYPES, PLANS = ["AA", "AG", "GG"], ["usual", "intensive"]
COLUMNS = {
    "genotype": {"type": "categorical", "domain": GENOTYPES},
    "young": {"type": "boolean"},
    "plan": {"type": "categorical", "domain": PLANS},
    "walks": {"type": "boolean"},
}
TABLE = {"privacy_unit": "row", "max_rows_per_unit": 1, "max_sites_per_unit": 1, "rows_max": 4000}
TABLE |= {"exact_dimensions": list(COLUMNS), "columns": COLUMNS}
RULES = {
    "intensive": (1, 1, 1),
    "usual": (0, 0, 0),
    "genotype=usual/usual/intensive": (0, 0, 1),
    "genotype=usual/intensive/intensive": (0, 1, 1),
}
EFFECT = np.array([-0.12, 0.08, 0.22])  # of the intensive plan, by genotype
EVEN = 0.5
SHARES = [0.45, 0.4, 0.15]


def patients(seed, n=3000):
    """Return the made patients of one site."""
    generator = np.random.default_rng(seed)
    genotype, young = generator.choice(3, n, p=SHARES), generator.random(n) < EVEN
    intensive = generator.random(n) < np.where(young, 0.7, 0.3)
    chance = 0.4 + 0.2 * young + intensive * EFFECT[genotype]
    return pd.DataFrame(
        {
            "genotype": np.array(GENOTYPES)[genotype],
            "young": young,
            "plan": np.array(PLANS)[intensive.astype(int)],
            "walks": generator.random(n) < chance,
        }
    )


with federation.local(
    {f"clinic_{seed}": patients(seed) for seed in range(3)}, schema={"tables": {"patients": TABLE}}
) as session:
    values = session.table("patients").policy_value(
        "plan", "walks", ["genotype", "young"], list(RULES), epsilon=1
    )
    ranked = sorted(RULES, key=lambda rule: -values.figures[rule].value)
    for rule in ranked:
        low, high = values.interval(rule)
        truth = 0.5 + np.dot(SHARES, EFFECT * np.array(RULES[rule]))
        print(f"{rule:36} {values.figures[rule].value:.3f} [{low:.3f}, {high:.3f}], true {truth:.3f}")
