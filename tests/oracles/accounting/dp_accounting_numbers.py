"""Epsilons of dp-accounting 0.6.0, by Rényi orders and by privacy loss distributions.

Run in an environment of its own (it pins old versions):

    uv venv .venv-oracles && uv pip install --python .venv-oracles/bin/python dp-accounting==0.6.0
    .venv-oracles/bin/python tests/oracles/accounting/dp_accounting_numbers.py

Writes dp_accounting_numbers.json beside itself. Under replace-one the Gaussian and Laplace multipliers are halved by
hand for the Rényi accountant, which does not double sensitivities (its privacy loss distributions do).
"""

import json
import math
import pathlib

import dp_accounting as dp
from dp_accounting import dp_event as de
from dp_accounting import pld, rdp

REL = {
    "add_or_remove_one": dp.NeighboringRelation.ADD_OR_REMOVE_ONE,
    "replace_one": dp.NeighboringRelation.REPLACE_ONE,
    "replace_special": dp.NeighboringRelation.REPLACE_SPECIAL,
}


def gaussian(z, n=1):
    return {"mechanism": "gaussian", "noise_multiplier": z, "count": n}


def poisson(q, z, n=1):
    return {"mechanism": "poisson_gaussian", "sampling_rate": q, "noise_multiplier": z, "count": n}


def laplace(b, n=1):
    return {"mechanism": "laplace", "scale_over_l1_sensitivity": b, "count": n}


CASES = [
    ("add_or_remove_one", "0.000001", [gaussian("1.1", 3)]),
    ("add_or_remove_one", "0.000001", [gaussian("0.3")]),
    ("add_or_remove_one", "0.00001", [gaussian("4", 10), gaussian("7.5")]),
    ("add_or_remove_one", "0.000001", [gaussian("5000")]),
    ("add_or_remove_one", "0.0000000001", [gaussian("60", 1000)]),
    ("replace_one", "0.000001", [gaussian("2")]),
    ("replace_special", "0.000001", [gaussian("2")]),
    ("add_or_remove_one", "0.000001", [laplace("2")]),
    ("add_or_remove_one", "0.000001", [laplace("2", 30)]),
    ("add_or_remove_one", "0.00001", [laplace("10", 500), gaussian("20", 5)]),
    ("replace_one", "0.000001", [laplace("20", 30)]),
    ("replace_special", "0.000001", [laplace("0.7", 2)]),
    (
        "add_or_remove_one",
        "0.000001",
        [{"mechanism": "discrete_laplace", "a": "0.5", "sensitivity": 1, "count": 20}],
    ),
    (
        "add_or_remove_one",
        "0.000001",
        [{"mechanism": "discrete_laplace", "a": "0.1", "sensitivity": 3, "count": 40}],
    ),
    (
        "replace_special",
        "0.000001",
        [{"mechanism": "discrete_laplace", "a": "1.5", "sensitivity": 1, "count": 2}],
    ),
    ("add_or_remove_one", "0.000001", [poisson("0.01", "1.1", 1000)]),
    ("add_or_remove_one", "0.00001", [poisson("0.004", "1.3", 14000)]),
    ("add_or_remove_one", "0.000001", [poisson("0.05", "0.8", 100)]),
    ("add_or_remove_one", "0.000001", [poisson("0.001", "0.6", 100)]),
    ("add_or_remove_one", "0.000001", [poisson("0.2", "3", 50), gaussian("10", 4), laplace("30", 10)]),
    ("add_or_remove_one", "0.000001", [poisson("0.5", "40", 10)]),
    ("replace_special", "0.00001", [poisson("0.02", "1", 300)]),
    ("add_or_remove_one", "0.000001", [{"mechanism": "zcdp", "rho": "0.1", "xi": "0.02", "count": 3}]),
    ("replace_one", "0.000001", [{"mechanism": "zcdp", "rho": "0.1", "xi": "0", "count": 1}]),
    ("replace_one", "0.000001", [{"mechanism": "randomized_response", "p": "0.5", "k": 3, "count": 1}]),
    ("replace_one", "0.000001", [{"mechanism": "randomized_response", "p": "0.9", "k": 2, "count": 100}]),
    ("replace_special", "0.000001", [{"mechanism": "randomized_response", "p": "0.8", "k": 10, "count": 20}]),
    (
        "replace_special",
        "0.000001",
        [{"mechanism": "tree", "noise_multiplier": "5", "step_counts": [100, 30], "count": 2}],
    ),
    (
        "replace_special",
        "0.000001",
        [{"mechanism": "tree", "noise_multiplier": "3", "step_counts": [3], "count": 1}],
    ),
    *(
        (
            "replace_one",
            "0.000001",
            [
                {
                    "mechanism": "without_replacement_gaussian",
                    "population": n,
                    "sample": m,
                    "noise_multiplier": z,
                    "count": c,
                }
            ],
        )
        for n, m, z, c in (
            (1000, 10, "1", 100),
            (60000, 256, "1.1", 2000),
            (100, 30, "4", 10),
            (5000, 1, "0.5", 50),
        )
    ),
    *(
        (
            "add_or_remove_one",
            "0.000001",
            [{"mechanism": "repeat_and_select", "inner": inner, "mean": mean, "shape": shape, "count": c}],
        )
        for inner, mean, shape, c in (
            (gaussian("5"), "10", "1", 1),
            (gaussian("5"), "10", "0", 2),
            (gaussian("8", 4), "30", "0.5", 1),
            (gaussian("5"), "10", "infinity", 1),
            (laplace("10", 3), "100", "infinity", 1),
            (poisson("0.01", "1.1", 100), "20", "1", 1),
            (gaussian("3"), "1.5", "2.5", 1),
        )
    ),
]


def convert(event, relation, *, for_rdp):
    kind, halve = event["mechanism"], for_rdp and relation == "replace_one"
    if kind == "gaussian":
        made = de.GaussianDpEvent(float(event["noise_multiplier"]) / (2 if halve else 1))
    elif kind == "laplace":
        made = de.LaplaceDpEvent(float(event["scale_over_l1_sensitivity"]) / (2 if halve else 1))
    elif kind == "discrete_laplace":
        made = de.DiscreteLaplaceDpEvent(float(event["a"]), event["sensitivity"])
    elif kind == "poisson_gaussian":
        made = de.PoissonSampledDpEvent(
            float(event["sampling_rate"]), de.GaussianDpEvent(float(event["noise_multiplier"]))
        )
    elif kind == "zcdp":
        made = de.ZCDpEvent(float(event["rho"]), float(event["xi"]))
    elif kind == "randomized_response":
        made = de.RandomizedResponseDpEvent(float(event["p"]), event["k"])
    elif kind == "tree":
        made = de.SingleEpochTreeAggregationDpEvent(float(event["noise_multiplier"]), event["step_counts"])
    elif kind == "without_replacement_gaussian":
        made = de.SampledWithoutReplacementDpEvent(
            event["population"], event["sample"], de.GaussianDpEvent(float(event["noise_multiplier"]))
        )
    else:
        shape = math.inf if event["shape"] == "infinity" else float(event["shape"])
        made = de.RepeatAndSelectDpEvent(
            convert(event["inner"], relation, for_rdp=for_rdp), float(event["mean"]), shape
        )
    return made if event.get("count", 1) == 1 else de.SelfComposedDpEvent(made, event["count"])


def price(accountant, events, relation, delta, *, for_rdp):
    for event in events:
        made = convert(event, relation, for_rdp=for_rdp)
        # the privacy loss of randomized response ignores its count: repeat by hand
        repeats = 1
        if not for_rdp and event["mechanism"] == "randomized_response":
            made, repeats = made.event if isinstance(made, de.SelfComposedDpEvent) else made, event["count"]
        if not accountant.supports(made):
            return None
        for _ in range(repeats):
            accountant.compose(made)
    return accountant.get_epsilon(float(delta))


def main():
    rows = []
    for relation, delta, events in CASES:
        by_rdp = price(
            rdp.RdpAccountant(neighboring_relation=REL[relation]), events, relation, delta, for_rdp=True
        )
        by_pld = price(pld.PLDAccountant(REL[relation], 1e-4), events, relation, delta, for_rdp=False)
        rows.append({"relation": relation, "delta": delta, "events": events, "rdp": by_rdp, "pld": by_pld})
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({"dp_accounting": "0.6.0", "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
