"""Standardised effects: one figure for weighting, standardising and the doubly robust form, exact and private."""

import json
from pathlib import Path

import numpy as np
import pytest
from statistic_world import StatisticWorld
from table_world import columns_of, frame_of, table_world

from analytics.errors import InvalidRequestError, PlanRejectedError

ORACLE = Path(__file__).resolve().parents[2] / "oracles" / "statistics" / "effects.json"
KNOWN = json.loads(ORACLE.read_text("utf-8"))["tables"]
ASKED = {"exposure": "a", "outcome": "b", "confounders": ["c"]}


@pytest.mark.parametrize("known", KNOWN)
def test_the_effect_and_its_error_equal_all_three_forms_of_statsmodels(known):
    answer = table_world(known["table"]).ask("g_computation", **ASKED)
    difference = answer.figures["difference"]
    for form in ("ipw", "ra", "aipw"):
        assert difference.value == pytest.approx(known[form]["difference"], rel=1e-9)
        assert difference.sampling_error == pytest.approx(known[form]["error"], rel=1e-6)
        assert answer.figures["risk_0"].value == pytest.approx(known[form]["risk_0"], rel=1e-9)
    for target in ("att", "atc"):
        found = table_world(known["table"]).ask("g_computation", **ASKED, target=target)
        assert found.figures["difference"].value == pytest.approx(known[target], rel=1e-9)


def test_other_figures_follow_from_the_risks_and_the_crude_one_from_the_margins():
    answer = table_world(KNOWN[0]["table"]).ask("g_computation", **ASKED)
    first, second = answer.figures["risk_0"].value, answer.figures["risk_1"].value
    assert answer.figures["ratio"].value == pytest.approx(second / first)
    assert answer.figures["odds_ratio"].value == pytest.approx(second / (1 - second) / (first / (1 - first)))
    margins = np.array(KNOWN[0]["table"]).sum(axis=2)
    shares = margins[:, 1] / margins.sum(axis=1)
    assert answer.figures["crude_difference"].value == pytest.approx(shares[1] - shares[0])
    assert answer.frame.loc["difference", "low"] < second - first < answer.frame.loc["difference", "high"]


def test_a_confounder_that_makes_all_of_a_crude_effect_leaves_none():
    """Within each stratum the risk is the same with and without exposure."""
    table = np.array([[[180, 40], [20, 40]], [[45, 80], [5, 80]]])
    answer = table_world(table, minimum_cell=5).ask("g_computation", **ASKED)
    assert answer.figures["difference"].value == pytest.approx(0, abs=1e-12)
    assert answer.figures["crude_difference"].value > 0.15


def test_several_confounders_are_one_with_their_combinations():
    table = np.array(KNOWN[2]["table"])  # 4 strata
    frame = frame_of(table)
    frame["d"] = frame.c.map({"c0": "x", "c1": "x", "c2": "y", "c3": "y"})
    frame["e"] = frame.c.isin(["c1", "c3"])
    columns = columns_of(table.shape) | {
        "d": {"type": "categorical", "domain": ["x", "y"]},
        "e": {"type": "boolean"},
    }
    world = StatisticWorld(frame, columns, rows_max=4000)
    one, other = (
        world.ask("g_computation", **ASKED),
        world.ask("g_computation", **ASKED | {"confounders": ["d", "e"]}),
    )
    assert other.figures["difference"].value == pytest.approx(one.figures["difference"].value, rel=1e-12)
    assert other.names == ("a", "b", "d", "e")


def test_a_stratum_without_exposed_people_closes_an_exact_answer_and_hides_a_private_one():
    """The attack: who is alone in a stratum and arm has their outcome as its share."""
    table = np.array([[[60, 60], [40, 40]], [[60, 1], [40, 0]]])
    world = table_world(table)
    assert world.ask("g_computation", **ASKED).closed == "minimum_cell"
    private = world.ask("g_computation", epsilon="1", **ASKED)
    assert private.closed == ""
    assert private.figures["difference"].value is None
    assert private.figures["crude_difference"].value is None
    assert len(private.counts) == 8


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"target": "ato"}, InvalidRequestError, "one of ate, att, atc"),
        ({"confounders": []}, InvalidRequestError, "list of different texts"),
        ({"confounders": ["a"]}, InvalidRequestError, "another column"),
        ({"confounders": ["x"]}, PlanRejectedError, "unknown column"),
        ({"exposure": "c"}, InvalidRequestError, "must have two groups, not 4"),
        ({"outcome": "c"}, InvalidRequestError, "must have two groups, not 4"),
        ({"confounders": list("cdefgh")}, PlanRejectedError, "unknown column"),
    ],
)
def test_arguments_are_refused_before_anything_runs(changed, error, text):
    with pytest.raises(error, match=text):
        table_world(KNOWN[0]["table"]).plan("g_computation", **ASKED | changed)
