"""Values of rules of treatment: the doubly robust estimator row by row as the oracle, exact and private."""

import numpy as np
import pytest
from table_world import released, table_world

from analytics.errors import InvalidRequestError, PlanRejectedError

# arms a0, a1, a2 by outcome by stratum: a1 helps in c0, a2 in c1
TABLE = np.array([[[90, 70], [30, 50]], [[20, 60], [60, 15]], [[50, 30], [40, 110]]])
ASKED = {
    "treatment": "a",
    "outcome": "b",
    "confounders": ["c"],
    "policies": ["a0", "a2", "c=a1/a2", "c=a0/a1"],
}
RULES = {"a0": (0, 0), "a2": (2, 2), "c=a1/a2": (1, 2), "c=a0/a1": (0, 1)}


def doubly_robust(table, rule):
    """Value and error from one score a person: outcome model, and the residual over the propensity."""
    rows = np.repeat(np.argwhere(table >= 0), table.ravel(), axis=0)
    arm, outcome, stratum = rows.T
    given = np.array(rule)[stratum]
    scores = np.empty(len(rows))
    for place in range(table.shape[2]):
        inside = stratum == place
        treated = inside & (arm == given)
        model, propensity = outcome[treated].mean(), treated.sum() / inside.sum()
        scores[inside] = model + (arm == given)[inside] / propensity * (outcome[inside] - model)
    return scores.mean(), scores.std() / np.sqrt(len(rows)), scores - outcome


def test_values_and_errors_are_those_of_the_doubly_robust_estimator():
    answer = table_world(TABLE).ask("policy_value", **ASKED)
    assert answer.closed == ""
    for policy, rule in RULES.items():
        value, error, against = doubly_robust(TABLE, rule)
        assert answer.figures[policy].value == pytest.approx(value, rel=1e-9)
        assert answer.figures[policy].sampling_error == pytest.approx(error, rel=1e-6)
        difference = answer.figures[f"{policy} - observed"]
        assert difference.value == pytest.approx(against.mean(), abs=1e-12)
        assert difference.sampling_error == pytest.approx(against.std() / np.sqrt(len(against)), rel=1e-6)
    share = TABLE[:, 1].sum() / TABLE.sum()
    assert answer.figures["observed"].value == pytest.approx(share)
    ranked = sorted(RULES, key=lambda policy: -answer.figures[policy].value)
    assert ranked[0] == "c=a1/a2"


def test_two_arms_for_all_are_the_risks_of_g_computation():
    world = table_world(TABLE[:2])
    values = world.ask("policy_value", **ASKED | {"policies": ["a0", "a1"]}).figures
    risks = world.ask("g_computation", exposure="a", outcome="b", confounders=["c"]).figures
    for policy, risk in (("a0", "risk_0"), ("a1", "risk_1")):
        assert values[policy].value == pytest.approx(risks[risk].value, rel=1e-12)
        assert values[policy].sampling_error == pytest.approx(risks[risk].sampling_error, rel=1e-9)


def test_private_intervals_hold_the_noise():
    world = table_world(TABLE * 4, rows_max=6000)
    plan = world.plan("policy_value", epsilon="1", **ASKED)
    generator = np.random.default_rng(3)
    found = [plan.statistic.estimate(released(plan, TABLE * 4, generator), plan.noise) for _ in range(200)]
    for policy, rule in RULES.items():
        values = np.array([each.figures[policy].value for each in found])
        told = np.mean([each.figures[policy].noise_error for each in found])
        assert told == pytest.approx(values.std(), rel=0.25)
        assert values.mean() == pytest.approx(doubly_robust(TABLE, rule)[0], abs=0.01)


def test_a_small_cell_closes_an_exact_answer_and_hides_the_private_values_that_need_it():
    """The attack: the one person who had an arm in a stratum has their outcome as its share."""
    table = TABLE.copy()
    table[1, :, 0] = (1, 0)
    world = table_world(table)
    assert world.ask("policy_value", **ASKED).closed == "minimum_cell"
    private = world.ask("policy_value", epsilon="1", **ASKED)
    assert private.figures["c=a1/a2"].value is None
    assert private.figures["c=a1/a2"].interval() == (None, None)
    assert private.figures["a0"].value is not None


def test_a_policy_that_needs_a_larger_weight_has_no_value():
    answer = table_world(TABLE).ask("policy_value", **ASKED, max_weight=3)
    assert answer.figures["c=a1/a2"].value is None  # 80 of 290 in c0
    assert answer.figures["c=a1/a2 - observed"].value is None
    assert answer.figures["observed"].value is not None
    with_more = table_world(TABLE).ask("policy_value", **ASKED, max_weight=4)
    assert with_more.figures["c=a1/a2"].value is not None


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"policies": []}, InvalidRequestError, "list of different texts"),
        ({"policies": ["a9"]}, InvalidRequestError, "a9 must be an arm"),
        ({"policies": ["c=a0"]}, InvalidRequestError, "must be an arm"),
        ({"policies": ["c=a0/a9"]}, InvalidRequestError, "must be an arm"),
        ({"policies": ["b=a0/a1"]}, InvalidRequestError, "must be an arm"),
        ({"policies": ["observed"]}, InvalidRequestError, "none of them observed"),
        ({"policies": [f"a{place}" for place in range(21)]}, InvalidRequestError, "at most 20"),
        ({"max_weight": 0}, InvalidRequestError, "max_weight"),
        ({"confounders": ["a"]}, InvalidRequestError, "another column"),
        ({"outcome": "a"}, InvalidRequestError, "must have two groups, not 3"),
        ({"treatment": "x"}, PlanRejectedError, "unknown column"),
    ],
)
def test_arguments_are_refused_before_anything_runs(changed, error, text):
    with pytest.raises(error, match=text):
        table_world(TABLE).plan("policy_value", **ASKED | changed)
