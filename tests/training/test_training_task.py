"""Valid training tasks, and refusals before any charge (P19 ii)."""

from fractions import Fraction

import numpy as np
import pytest
from training_world import FEATURES, SITES, a_consortium, made_frame, task_of

from federation.errors import ConfigError, RequestRejectedError
from federation.protocol.request import Request
from federation.training.rounds.entry_check import terms_of
from federation.training.task import TrainingTask, load_task
from federation.training.task import task_of as read_back
from privacy_accounting.events import Relation
from privacy_accounting.rdp import epsilon as epsilon_of

BAD = {
    "learning rate NaN": ({"learning_rate": float("nan")}, "learning_rate"),
    "learning rate infinite": ({"learning_rate": float("inf")}, "learning_rate"),
    "learning rate zero": ({"learning_rate": 0}, "learning_rate"),
    "learning rate negative": ({"learning_rate": -1}, "learning_rate"),
    "learning rate bool": ({"learning_rate": True}, "learning_rate"),
    "learning rate text": ({"learning_rate": "fast"}, "learning_rate"),
    "numpy NaN": ({"learning_rate": np.float64("nan")}, "learning_rate"),
    "clip zero": ({"clip_norm": 0}, "clip_norm"),
    "clip third": ({"clip_norm": Fraction(1, 3)}, "clip_norm"),
    "clip huge": ({"clip_norm": 10**12}, "clip_norm"),
    "epsilon NaN": ({"epsilon": float("nan")}, "epsilon"),
    "epsilon negative": ({"epsilon": -2}, "epsilon"),
    "no epsilon": ({"epsilon": None}, "epsilon"),
    "epsilon and exact": ({"exact": True}, "epsilon"),
    "rounds zero": ({"rounds": 0}, "rounds"),
    "rounds float": ({"rounds": 2.0}, "rounds"),
    "rounds bool": ({"rounds": True}, "rounds"),
    "rounds many": ({"rounds": 10**6}, "rounds"),
    "momentum one": ({"momentum": 1}, "momentum"),
    "l2 negative": ({"l2": -1}, "l2"),
    "units zero": ({"expected_units": 0}, "expected_units"),
    "no features": ({"features": ()}, "features"),
    "a feature twice": ({"features": ("age", "age")}, "features"),
    "target among features": ({"target": "age"}, "target"),
    "empty target": ({"target": ""}, "target"),
    "unknown field": ({"seed": 1}, "seed"),
    "a penalty on a mean over an unknown number": ({"l2": "0.1", "expected_units": None}, "l2"),
    "a chosen starting point": ({"start": [1, 2]}, "start"),
    **{
        f"{name} without noise": (
            {"epsilon": None, "exact": True, "expected_units": None} | {name: value},
            name,
        )
        for name, value in (
            ("learning_rate", 1),
            ("momentum", "0.5"),
            ("l2", "0.1"),
            ("expected_units", 1),
            ("rounds", 101),
        )
    },
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_input_is_named_by_its_parameter(name):
    changes, parameter = BAD[name]
    with pytest.raises(ConfigError) as caught:
        task_of(**changes)
    assert any(mistake.startswith(parameter) for mistake in caught.value.mistakes), caught.value.mistakes


def test_all_mistakes_at_once():
    with pytest.raises(ConfigError) as caught:
        task_of(learning_rate=float("nan"), rounds=0, clip_norm=-1)
    assert len(caught.value.mistakes) == 3


def test_a_task_goes_through_a_request_and_back():
    task = task_of(learning_rate=0.1, l2=Fraction(1, 8), momentum="0.5", report_loss=True)
    request = Request(
        kind="train",
        mode=task.mode,
        epsilon=task.epsilon,
        analyst="ada",
        purpose=task.purpose,
        nonce="00" * 16,
        configuration="00" * 32,
        plan="00" * 32,
        question=task.question(),
    )
    again = Request.from_bytes(request.to_bytes())
    assert read_back(again.question, mode=again.mode, epsilon=again.epsilon, purpose=again.purpose) == task
    assert b"." in request.to_bytes()
    assert not any(isinstance(value, float) for value in task.question().values())


@pytest.mark.parametrize(
    "change", [{"epsilon": "9"}, {"exact": True}, {"learning_rate": "4.0"}, {"rounds": "40"}], ids=str
)
def test_a_question_in_another_form_is_refused(change):
    question = task_of().question() | change
    with pytest.raises(ConfigError):
        read_back(question, mode="private", epsilon=Fraction(2), purpose="research")


def test_a_task_file(tmp_path):
    path = tmp_path / "task.toml"
    path.write_text(
        'table = "patients"\nfeatures = ["age"]\ntarget = "disease"\nepsilon = 0.1\nlearning_rate = 2.5\n'
    )
    task = load_task(path)
    assert task.epsilon == Fraction(1, 10)
    path.write_text('table = "patients"\nfeatures = ["age"]\nrouns = 3\nlearning_rate = nan\n')
    with pytest.raises(ConfigError) as caught:
        load_task(path)
    assert {m.partition(":")[0] for m in caught.value.mistakes} == {"rouns", "learning_rate", "target"}
    with pytest.raises(ConfigError):
        load_task(tmp_path / "none.toml")


COLUMNS = {
    "unknown table": ({"table": "nurses"}, "table"),
    "unknown feature": ({"features": ("age", "height")}, "features"),
    "unknown target": ({"target": "death"}, "target"),
    "numeric target": ({"target": "age", "features": ("sex",)}, "target"),
    "target of four values": ({"target": "cp", "features": ("sex",)}, "target"),
}


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_columns_are_checked_against_the_schema(heart, name):
    changes, place = COLUMNS[name]
    with pytest.raises((ConfigError, RequestRejectedError)) as caught:
        heart.plan(task_of(**changes))
    assert place in str(caught.value)


def test_tasks_that_do_not_suit_the_schema_are_refused(world_of):
    def table(columns, **fields):
        return {"patients": {"privacy_unit": "row", "rows_max": 1, "columns": columns} | fields}

    frame = made_frame(3, 1).assign(i=["p", "q", "r"], k="a")
    x = {"type": "numeric", "lower": 0, "upper": 1, "resolution": 1}
    flag = {"type": "boolean"}
    world = world_of(
        dict.fromkeys("abc", frame),
        tables=table({"x": x, "k": {"type": "categorical", "domain": ["a"]}, "b": flag, "y": flag}),
    )
    for changes, word in (({"target": "k"}, "constant"), ({"features": ("k",), "target": "y"}, "one value")):
        with pytest.raises(ConfigError) as caught:
            world.plan(task_of(features=changes.get("features", ("x",)), target=changes["target"]))
        assert word in str(caught.value)
    domain = list("abcdefgh")
    wide = world_of(
        dict.fromkeys("abc", frame), tables=table({"k": {"type": "categorical", "domain": domain}, "y": flag})
    )
    with pytest.raises(ConfigError) as caught:
        wide.plan(task_of(features=("k",), target="y"))
    assert "rows" in str(caught.value)
    guessed = world_of(
        dict.fromkeys("abc", frame),
        tables=table({"x": x | {"guessed": True}, "i": {"type": "identifier"}, "y": flag}, privacy_unit="i"),
    )
    with pytest.raises(ConfigError) as caught:
        guessed.plan(task_of(features=("x", "i"), target="y"))
    assert len(caught.value.mistakes) == 2


def test_too_few_sites_for_a_round_are_refused_at_the_start(world_of):
    two = world_of({n: made_frame(9, 1) for n in "ab"})
    with pytest.raises(ConfigError):
        two.plan(task_of(features=("x",), target="y"))
    three = world_of({n: made_frame(9, 1) for n in "abc"}, colluding=2)
    three.plan(task_of(features=("x",), target="y"))
    with pytest.raises(ConfigError) as caught:
        three.plan(task_of(features=("x",), target="y", epsilon=None, exact=True, expected_units=None))
    assert "colluding" in str(caught.value)


def test_attack_a_site_takes_its_own_noise_from_a_sum_that_all_sites_see(world_of):
    """Where no site may collude the noise is priced with all shares of it, and each site knows one of them."""
    frames = {name: made_frame(9, 1) for name in "abc"}
    asked = {"features": ("x",), "target": "y"}
    for aggregation in ("paillier", "shares"):
        with pytest.raises(ConfigError, match="takes its own part of the noise away"):
            world_of(frames, colluding=0).plan(task_of(**asked, aggregation=aggregation))
    event = world_of(frames).plan(task_of(**asked)).event(3)
    assert event.parties - event.colluding <= len(frames) - 1
    # local steps have the site's own full noise, and an exact run has none
    world_of(frames, colluding=0).plan(task_of(**asked, strategy="fedavg"))
    world_of(frames, colluding=0).plan(task_of(**asked, epsilon=None, exact=True, expected_units=None))


def test_no_training_budget_is_told_by_name(small_key, heart_tables):
    consortium = a_consortium(heart_tables, SITES)
    with pytest.raises(RequestRejectedError):
        terms_of(consortium, "nurses", small_key.public)


def test_sums_larger_than_a_slot_are_refused(world_of):
    columns = {
        "x": {"type": "numeric", "lower": 0, "upper": 1, "resolution": 1},
        "y": {"type": "boolean"},
    }
    tables = {"patients": {"privacy_unit": "row", "rows_max": 2**40, "columns": columns}}
    four = world_of({n: made_frame(9, 1) for n in "abcd"}, tables=tables)
    four.plan(task_of(features=("x",), target="y"))
    eight = world_of({n: made_frame(9, 1) for n in "abcdefgh"}, tables=tables)
    with pytest.raises(ConfigError) as caught:
        eight.plan(task_of(features=("x",), target="y"))
    assert "half_range" in str(caught.value)


# ---- price


@pytest.mark.parametrize("rounds", [1, 30, 60])
@pytest.mark.parametrize("epsilon", [Fraction(1, 4), Fraction(2)], ids=str)
def test_all_rounds_cost_at_most_epsilon_and_not_much_less(heart, rounds, epsilon):
    plan = heart.plan(task_of(rounds=rounds, epsilon=epsilon))
    event = plan.event(4)
    spent = epsilon_of([event] * rounds, plan.terms.delta, Relation.ADD_OR_REMOVE_ONE).epsilon
    assert 0.9999 * epsilon < spent <= epsilon


def test_the_noise_of_the_honest_sites_pays_for_any_cohort(heart):
    plan = heart.plan(task_of())
    four, three = plan.event(4), plan.event(3)
    assert 3 * four.sigma2_local == pytest.approx(2 * three.sigma2_local, rel=1e-6)
    assert (four.parties, four.colluding, three.parties) == (4, 1, 3)
    # runs that lose a site in between cost no more either
    for n_of_four in (0, 1, 17, 40):
        events = [four] * n_of_four + [three] * (40 - n_of_four)
        assert plan.epsilon_spent(events) <= 2


def test_a_unit_at_several_sites_costs_several_times(world_of):
    tables = {
        "patients": {
            "privacy_unit": "row",
            "rows_max": 100,
            "columns": {
                "x": {"type": "numeric", "lower": 0, "upper": 1, "resolution": 1},
                "y": {"type": "boolean"},
            },
        }
    }
    frames = {n: made_frame(9, 1) for n in "abc"}
    everywhere = world_of(frames, tables=tables).plan(task_of(features=("x",), target="y")).event(3)
    tables["patients"]["max_sites_per_unit"] = 1
    once = world_of(frames, tables=tables).plan(task_of(features=("x",), target="y")).event(3)
    assert everywhere.l2 == 3 * once.l2
    assert everywhere.sigma2_local == pytest.approx(9 * once.sigma2_local, rel=1e-5)


def test_a_longer_run_may_not_have_more_attempts_than_it_paid_for(heart):
    plan = heart.plan(task_of(rounds=3))
    plan.attempt(run="r", round_number=2, attempt=0, cohort=SITES)
    for round_number, attempt in ((3, 0), (2, 1), (0, 3)):
        with pytest.raises(ConfigError):
            plan.attempt(run="r", round_number=round_number, attempt=attempt, cohort=SITES)


@pytest.mark.parametrize(
    "cohort", [SITES[:2], (*SITES[:3], "paris"), SITES[::-1], (SITES[0], *SITES[:3])], ids=str
)
def test_a_cohort_is_sorted_distinct_known_and_large_enough(heart, cohort):
    with pytest.raises(ConfigError):
        heart.plan(task_of()).attempt(run="r", round_number=0, attempt=0, cohort=cohort)


def test_a_dry_run_says_what_it_would_cost(heart):
    said = heart.plan(task_of()).to_dict()
    assert said["epsilon"] <= 2
    assert said["parameters"][-1] == "intercept"
    assert len(said["parameters"]) == 13
    assert said["bytes_per_site"] == 40 * said["bytes_per_update"]
    assert heart.plan(task_of(epsilon=None, exact=True, expected_units=None)).to_dict()["epsilon"] is None


def test_replacing_a_unit_is_dearer_than_adding_one(small_key, heart_tables):
    from federation.training.rounds.round_plan import plan_run

    events = []
    for relation in ("add_or_remove_one", "replace_one"):
        consortium = a_consortium(heart_tables, SITES, relation=relation)
        plan = plan_run(task_of(), consortium.schema, terms_of(consortium, "patients", small_key.public))
        events.append(plan.event(4))
    assert events[1].sigma2_local == pytest.approx(4 * events[0].sigma2_local, rel=1e-5)


def test_keyword_and_default_tasks_agree():
    assert task_of() == TrainingTask(
        table="patients",
        features=list(FEATURES),
        target="disease",
        epsilon=2.0,
        rounds=40,
        expected_units=800,
    )


@pytest.mark.parametrize(
    ("epsilon", "two_shares", "one_share"),
    [("0.5", 0.620, 0.898), ("1", 1.243, 1.807), ("2", 2.493, 3.653)],
)
def test_limit_epsilon_for_an_observer_of_sums_of_fewer_sites(heart, epsilon, two_shares, one_share):
    """Four sites, one colluding: SECURITY names each coalition with these. One share of noise is all that protects a
    site's update from all other sites together."""
    from dataclasses import replace

    plan = heart.plan(task_of(epsilon=epsilon))
    event = plan.event(4)
    for shares, expected in ((3, float(epsilon)), (2, two_shares), (1, one_share)):
        left = replace(event, parties=shares, colluding=0)
        assert plan.epsilon_spent([left] * 40) == pytest.approx(expected, abs=2e-3)


def test_a_party_plans_an_attempt_once_and_a_helper_checks_its_entry_once(made):
    plan, fields = made.plan(task_of(features=("x",), target="y")), {"run": "r", "cohort": made.sites}
    first = plan.attempt(round_number=0, attempt=0, **fields)
    assert plan.attempt(round_number=0, attempt=0, **fields) is first
    assert plan.attempt(round_number=0, attempt=1, **fields).manifest != first.manifest
    fewer = plan.attempt(run="r", round_number=0, attempt=0, cohort=made.sites[1:])
    assert fewer.manifest.cohort == made.sites[1:]
    hand, checks = made.attempt(task_of(features=("x",), target="y")), []
    check = made.agreement("aggregator")
    members = check._members
    check._members = lambda entry: checks.append(entry) or members(entry)
    assert check(hand.request, hand.entry) == check(hand.request, hand.entry)
    assert len(checks) == 1
    other = made.attempt(task_of(features=("x",), target="y"), cohort=made.sites[:3])
    assert check(other.request, other.entry).manifest.cohort == made.sites[:3]
    assert len(checks) == 2


def test_no_option_has_the_name_of_another_parameter():
    from federation.training.models.registry import MODELS
    from federation.training.strategies.registry import STRATEGIES

    for model in MODELS.values():
        for strategy in STRATEGIES.values():
            names = [*TrainingTask.model_fields, *model.options, *strategy.options]
            assert len(set(names)) == len(names)
    assert all(name == known.name for registry in (MODELS, STRATEGIES) for name, known in registry.items())
