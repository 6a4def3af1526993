"""What an examiner would ask: extremes of every mechanism that dp-accounting 0.6.0 knows, priced by it.

Run as ``dp_accounting_numbers.py``; writes examiner_numbers.json beside itself. "rdp" is its Renyi epsilon (None where
it has none). "below" is an epsilon that the truth is not below: for Gaussian noise the exact one to 30 digits (Balle and
Wang 1805.06530, Theorem 8), otherwise its privacy loss distribution with every loss rounded down (None where it has none,
where it would not fit into memory, and at deltas that its double precision cannot tell from 0).
"""

import itertools
import json
import logging
import pathlib
import sys

import dp_accounting as dp
import mpmath as mp
from dp_accounting import rdp
from dp_accounting.pld import privacy_loss_distribution as losses

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from dp_accounting_numbers import REL, convert, gaussian, laplace, poisson

STEP = 1e-4
ADD, ONE, SPECIAL = "add_or_remove_one", "replace_one", "replace_special"
LEAST_NOISE = 0.3
MOST_LOSS = 3000
LEAST_DELTA = 1e-10
mp.mp.dps = 40


def cases():
    for sigma in ("0.001", "0.01", "0.1", "0.5", "1", "3", "10", "100", "3500", "10000", "1000000"):
        yield ADD, "0.000001", [gaussian(sigma)]
    for sigma, delta in itertools.product(
        ("0.5", "30"), ("0.01", "0.00001", "0.000000000001", "0.000000000000001")
    ):
        yield ADD, delta, [gaussian(sigma)]
    for count in (10, 1000, 1_000_000):
        yield ADD, "0.000001", [gaussian("50", count)]
    for scale, count in itertools.product(("0.001", "0.5", "1", "10", "1000000"), (1, 10, 100_000)):
        yield ADD, "0.000001", [laplace(scale, count)]
    for a, sensitivity in itertools.product(("0.001", "0.1", "1", "4"), (1, 3)):
        yield (
            ADD,
            "0.000001",
            [{"mechanism": "discrete_laplace", "a": a, "sensitivity": sensitivity, "count": 5}],
        )
    for rate, sigma in itertools.product(
        ("0.000001", "0.001", "0.01", "0.2", "0.9", "0.999999", "1"),
        ("0.001", "0.3", "0.8", "2", "100", "1000000"),
    ):
        for count in (1, 1000):
            yield ADD, "0.000001", [poisson(rate, sigma, count)]
    for delta in ("0.01", "0.0000000001", "0.000000000000001"):
        yield ADD, delta, [poisson("0.01", "1.1", 10_000)]
    for rate, scale, count in itertools.product(("0.001", "0.1", "0.9"), ("0.5", "1", "5"), (1, 100)):
        yield (
            ADD,
            "0.000001",
            [{"mechanism": "poisson", "sampling_rate": rate, "inner": laplace(scale), "count": count}],
        )
    for (population, sample), sigma in itertools.product(
        ((1000, 1), (1000, 100), (100_000, 256), (10, 10), (10, 0), (1_000_000_000, 1000)), ("0.5", "1", "20")
    ):
        event = {"mechanism": "without_replacement_gaussian", "population": population, "sample": sample}
        yield ONE, "0.000001", [{**event, "noise_multiplier": sigma, "count": 100}]
    for p, k, relation in itertools.product(("0.001", "0.5", "1"), (1, 2, 1000), (ONE, SPECIAL)):
        yield relation, "0.000001", [{"mechanism": "randomized_response", "p": p, "k": k, "count": 3}]
    for sigma, leaves in itertools.product(("0.5", "20"), ([1], [2], [1023], [1024], [5, 9, 100])):
        yield (
            SPECIAL,
            "0.000001",
            [{"mechanism": "tree", "noise_multiplier": sigma, "step_counts": leaves, "count": 1}],
        )
    tree = {"mechanism": "tree", "noise_multiplier": "8", "step_counts": [100]}
    for mean, shape in itertools.product(("1", "1.5", "10", "100000"), ("0", "0.5", "1", "20", "infinity")):
        for relation, inner in ((ADD, gaussian("2")), (ADD, poisson("0.01", "1.1", 100)), (SPECIAL, tree)):
            event = {
                "mechanism": "repeat_and_select",
                "inner": inner,
                "mean": mean,
                "shape": shape,
                "count": 1,
            }
            yield relation, "0.000001", [event]
    zcdp = {"mechanism": "zcdp", "rho": "0.000001", "xi": "0.000001", "count": 7}
    yield ADD, "0.00001", [gaussian("3", 2), laplace("5", 3), poisson("0.01", "1", 500), zcdp]
    response = {"mechanism": "randomized_response", "p": "0.5", "k": 2, "count": 3}
    yield SPECIAL, "0.00001", [tree, poisson("0.01", "1", 500), response]


def least_noise(event):
    noise = [
        float(event[name]) for name in ("noise_multiplier", "scale_over_l1_sensitivity") if name in event
    ]
    return min([*noise, *([least_noise(event["inner"])] if "inner" in event else [])], default=1.0)


def exact_gaussian(event, delta):
    sigma = mp.mpf(event["noise_multiplier"]) / mp.sqrt(event["count"])
    half = 1 / (2 * sigma)

    def spent(epsilon):
        return mp.ncdf(half - epsilon * sigma) - mp.exp(epsilon) * mp.ncdf(-half - epsilon * sigma)

    low, high = mp.mpf(0), mp.mpf(1)
    while spent(high) > mp.mpf(delta):
        low, high = high, 2 * high
    for _ in range(110):
        middle = (low + high) / 2
        low, high = (middle, high) if spent(middle) > mp.mpf(delta) else (low, middle)
    return float(low)


def lower(event, delta):
    """An epsilon that one event, under add-or-remove-one, is not below at delta."""
    if event["mechanism"] == "gaussian":
        return exact_gaussian(event, delta)
    if float(delta) < LEAST_DELTA:
        return None
    options = {"value_discretization_interval": STEP, "pessimistic_estimate": False}
    kind, inner = event["mechanism"], event.get("inner", event)
    noise = least_noise(event)
    if noise < LEAST_NOISE or event["count"] / noise > MOST_LOSS or float(event.get("a", 1)) > 1:
        return None
    if kind == "poisson_gaussian":
        rate = float(event["sampling_rate"])
        found = losses.from_gaussian_mechanism(
            float(event["noise_multiplier"]), sampling_prob=rate, **options
        )
    elif kind in {"laplace", "poisson"} and inner["mechanism"] == "laplace":
        rate = float(event.get("sampling_rate", 1))
        scale = float(inner["scale_over_l1_sensitivity"])
        found = losses.from_laplace_mechanism(scale, sampling_prob=rate, **options)
    elif kind == "discrete_laplace":
        found = losses.from_discrete_laplace_mechanism(float(event["a"]), event["sensitivity"], **options)
    else:
        return None
    return float(found.self_compose(event["count"]).get_epsilon_for_delta(float(delta)))


def renyi(relation, delta, events):
    accountant = rdp.RdpAccountant(neighboring_relation=REL[relation])
    try:
        for event in events:
            accountant.compose(convert(event, relation, for_rdp=True))
    except (KeyError, ValueError, OverflowError, dp.UnsupportedEventError):
        return None
    return float(accountant.get_epsilon(float(delta)))


def main():
    logging.disable(logging.CRITICAL)
    rows = []
    for relation, delta, events in cases():
        below = lower(events[0], delta) if len(events) == 1 and relation == ADD else None
        row = {"relation": relation, "delta": delta, "events": events}
        found = renyi(relation, delta, events)
        rows.append({**row, "rdp": found if found != float("inf") else None, "below": below})
        print(len(rows), events, rows[-1]["rdp"], below, flush=True)
    lines = ",\n".join(json.dumps(row) for row in rows)
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(f'{{"dp_accounting": "0.6.0", "rows": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
