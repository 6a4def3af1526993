"""Prices at extreme parameters of every mechanism, against dp-accounting; none lies below the true cost."""

import json
import math
import time
import warnings
from pathlib import Path

import pytest

from privacy_accounting.audit.price import price_document

ORACLES = Path(__file__).parent.parent / "oracles" / "accounting"
ROWS = json.loads((ORACLES / "examiner_numbers.json").read_text())["rows"]
KINDS = sorted({row["events"][0]["mechanism"] for row in ROWS})


def document(row):
    return {name: row[name] for name in ("relation", "delta", "events")}


@pytest.mark.parametrize("kind", KINDS)
def test_every_price_lies_between_loss_distribution_and_dp_accounting(kind):
    rows = [row for row in ROWS if row["events"][0]["mechanism"] == kind]
    for row in rows:
        report = price_document(document(row))
        assert 0 <= report.epsilon <= report.pure_epsilon
        if row["below"] is not None:
            assert report.epsilon >= row["below"], (row, report.epsilon)
        if row["rdp"] is not None:
            assert report.epsilon <= row["rdp"] * (1 + 1e-6) + 1e-12, (row, report.epsilon)


def test_the_table_is_no_formality():
    assert len(ROWS) > 250
    assert sum(row["below"] is not None for row in ROWS) > 90
    assert sum(row["rdp"] is not None for row in ROWS) > 220


@pytest.mark.parametrize("kind", KINDS)
def test_law_more_uses_a_smaller_delta_or_another_event_never_cost_less(kind):
    for row in [row for row in ROWS if row["events"][0]["mechanism"] == kind][::4]:
        once = price_document(document(row)).epsilon
        (first, *rest) = row["events"]
        again = {**first, "count": first["count"] + 1}
        assert price_document({**document(row), "events": [again, *rest]}).epsilon >= once
        assert price_document({**document(row), "events": [*row["events"], first]}).epsilon >= once
        assert price_document({**document(row), "delta": "1e-16"}).epsilon >= once


def test_a_count_is_worth_as_many_events():
    for row in ROWS:
        (first, *rest) = row["events"]
        if rest or not 1 < first["count"] <= 10:
            continue
        single = [{**first, "count": 1}] * first["count"]
        one_by_one = price_document({**document(row), "events": single}).epsilon
        assert one_by_one == pytest.approx(price_document(document(row)).epsilon, rel=1e-9)


@pytest.mark.parametrize("relation", ["add_or_remove_one", "replace_special"])
def test_the_deepest_nesting_has_a_price_without_a_warning(relation):
    event = {"mechanism": "laplace", "scale_over_l1_sensitivity": "0.001"}
    for outer in ("poisson", "repeat_and_select", "poisson", "repeat_and_select"):
        sampled = {"mechanism": "poisson", "sampling_rate": "0.5", "inner": event}
        selected = {"mechanism": "repeat_and_select", "mean": "1e6", "shape": "infinity", "inner": event}
        event = sampled if outer == "poisson" else selected
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = price_document({"relation": relation, "delta": "1e-9", "events": [event]})
    assert 0 < report.epsilon < math.inf


def test_the_dearest_requests_are_answered_at_once():
    """Each of these takes under 0.1 s on two shared cores; the limit allows for a loaded machine."""
    began = time.perf_counter()
    for row in ROWS:
        price_document(document(row))
    assert time.perf_counter() - began < 30
