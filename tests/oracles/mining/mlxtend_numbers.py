"""Itemsets and rules of mlxtend 0.25.0 (apriori, checked against its fpgrowth) on two pooled data sets.

Run in an environment of its own:

    uv venv .venv-oracles && uv pip install --python .venv-oracles/bin/python mlxtend==0.25.0 pandas
    .venv-oracles/bin/python tests/oracles/mining/mlxtend_numbers.py

Writes mlxtend_numbers.json beside itself: for each case every itemset with its count, all rules' number, and the first
rules by lift. A comparison with a missing value is false; zero cholesterol and blood pressure are missing; thyroid ages
above 120 are missing.
"""

import json
import pathlib

import mlxtend
import pandas as pd
from mlxtend.frequent_patterns import apriori, association_rules, fpgrowth

ROOT = pathlib.Path(__file__).resolve().parents[3]
HEART = ROOT / "federation" / "demo" / "data" / "heart_disease"
THYROID = ROOT / "tests" / "data" / "thyroid"
MEASURES = [
    "support",
    "confidence",
    "lift",
    "leverage",
    "conviction",
    "antecedent support",
    "consequent support",
    "representativity",
    "zhangs_metric",
    "jaccard",
    "certainty",
    "kulczynski",
]
FLAGS = [
    "on_thyroxine",
    "query_on_thyroxine",
    "on_antithyroid_meds",
    "sick",
    "pregnant",
    "thyroid_surgery",
    "I131_treatment",
    "query_hypothyroid",
    "query_hyperthyroid",
    "lithium",
    "goitre",
    "tumor",
    "hypopituitary",
    "psych",
]


def pooled(folder):
    return pd.concat([pd.read_csv(path) for path in sorted(folder.glob("*.csv"))], ignore_index=True)


def heart():
    f = pooled(HEART)
    return pd.DataFrame(
        {
            "sex=M": f.sex == 1,
            "age>=60": f.age >= 60,
            "cp=asymptomatic": f.cp == 4,
            "trestbps>=140": f.trestbps >= 140,
            "chol>=240": f.chol >= 240,
            "fbs": f.fbs == 1,
            "ecg_abnormal": f.restecg > 0,
            "thalach<130": f.thalach < 130,
            "exang": f.exang == 1,
            "oldpeak>=1": f.oldpeak >= 1,
            "disease": f.num > 0,
        }
    )


def thyroid():
    f = pooled(THYROID)
    f["age"] = f.age.where(f.age <= 120)
    items = {name: f[name] == 1 for name in FLAGS} | {
        "sex=F": f.sex == "F",
        "age>=60": f.age >= 60,
        "TSH_high": f.TSH > 4.5,
        "TSH_low": f.TSH < 0.4,
        "T3_low": f.T3 < 1.2,
        "T3_high": f.T3 > 2.8,
        "TT4_low": f.TT4 < 60,
        "TT4_high": f.TT4 > 150,
        "FTI_low": f.FTI < 65,
        "FTI_high": f.FTI > 155,
        "condition": f.target != "-",
    }
    return pd.DataFrame(items)


def numbers(baskets, min_support, max_len, min_confidence=0.6, n_rules=12):
    found = apriori(baskets, min_support=min_support, use_colnames=True, max_len=max_len)
    other = fpgrowth(baskets, min_support=min_support, use_colnames=True, max_len=max_len)
    assert set(found.itemsets) == set(other.itemsets)
    n = len(baskets)
    rules = association_rules(found, num_itemsets=n, metric="confidence", min_threshold=min_confidence)
    rules = rules.assign(
        key=[
            (tuple(sorted(a)), tuple(sorted(c)))
            for a, c in zip(rules.antecedents, rules.consequents, strict=True)
        ]
    )
    best = rules.sort_values(["lift", "support", "key"], ascending=[False, False, True]).head(n_rules)
    sample = pd.concat([best, rules[rules.confidence == 1].head(3)])
    return {
        "n_rows": n,
        "min_support": str(min_support),
        "max_len": max_len,
        "min_confidence": str(min_confidence),
        "itemsets": sorted(
            [sorted(s), round(support * n)] for s, support in zip(found.itemsets, found.support, strict=True)
        ),
        "n_rules": len(rules),
        "sum_of_lifts": float(rules.lift.sum()),
        "rules": [
            {"antecedents": row.key[0], "consequents": row.key[1]}
            | {name: None if float(row[name]) == float("inf") else float(row[name]) for name in MEASURES}
            for _, row in sample.iterrows()
        ],
    }


def main():
    cases = {
        "heart_disease": numbers(heart(), 0.2, 4),
        "thyroid": numbers(thyroid(), 0.01, 4),
        "thyroid_any_length": numbers(thyroid(), 0.01, None),
    }
    document = {"mlxtend": mlxtend.__version__, "pandas": pd.__version__, "cases": cases}
    text = (
        json.dumps(document, separators=(",", ":"))
        .replace('],[["', '],\n[["')
        .replace('},{"ant', '},\n{"ant')
    )
    pathlib.Path(__file__).with_suffix(".json").write_text(text + "\n")


if __name__ == "__main__":
    main()
