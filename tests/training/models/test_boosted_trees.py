"""Boosted trees: the attacks on histograms, plain code over the pooled rows as the oracle, and real hospitals."""

import json
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_world import FEATURES, added_up, auc, task_of

from federation.errors import ConfigError
from federation.training.encodings.features import Cases, Encoding, Feature
from federation.training.estimators import estimator_of
from federation.training.local_update import clamped_sum, unit_vectors
from federation.training.models.registry import MODELS
from federation.training.models.trees.ensemble import Ensemble, Sizes, bins_of
from federation.training.models.trees.growth import best_split, used_bins
from federation.training.optimizer import floats_of
from federation.training.rounds.round_plan import GRID

TREES = {"model": "boosted_trees", "expected_units": None, "trees": 4, "depth": 2, "rounds": 8}
MADE = TREES | {"features": ("x", "k", "b"), "target": "y"}
RANDOM = MADE | {"random_splits": 1, "rounds": 4}
CLEAR = {"epsilon": None, "exact": True}


def states_of(world, task):
    """The plan, the cases of all sites, and the public model before each round and at the end, without noise."""
    plan = world.plan(task)
    _, _, parts = world.pooled(plan)
    states = [plan.start()]
    for _ in range(task.rounds):
        point = floats_of(states[-1].parameters)
        total = sum(clamped_sum(plan, part, point) for part in parts)
        states.append(plan.next(states[-1], total.tolist()))
    return plan, parts, states


# ---- attacks


@pytest.mark.parametrize("fields", [MADE, RANDOM], ids=["histograms", "random"])
def test_one_unit_moves_every_opened_sum_by_the_declared_norm_at_most(made, fields):
    """A unit is in one bin of each column: all of them together are its sensitivity, on every level."""
    plan, parts, states = states_of(made, task_of(**fields))
    largest = 0
    for state in states[:-1]:
        for part in parts:
            vectors = unit_vectors(plan, part, floats_of(state.parameters))
            largest = max(largest, int((vectors * vectors).sum(axis=1).max()))
    assert plan.l2_unit == GRID
    assert (0.4 * GRID) ** 2 < largest <= GRID**2


def test_a_unit_of_many_rows_is_clipped_as_a_whole(made):
    plan = made.plan(task_of(**MADE))
    rows = np.tile([0.5, 1, 0, 1, 1.0], (50, 1))
    cases = Cases(matrix=rows, target=np.ones(50), starts=np.array([0]))
    vector = unit_vectors(plan, cases, floats_of(plan.start().parameters))[0]
    assert 0.99 * GRID < math.sqrt(int((vector * vector).sum())) <= GRID


@pytest.mark.parametrize("fields", [MADE, RANDOM], ids=["histograms", "random"])
def test_each_level_costs_what_a_step_of_a_gradient_costs(made, fields):
    """The noise is calibrated to all rounds and the L2 norm: the same event but for the number of cells."""
    plan = made.plan(task_of(**fields))
    gradient = made.plan(
        task_of(**{name: fields[name] for name in ("features", "target", "expected_units", "rounds")})
    )
    one, two = plan.event(4), gradient.event(4)
    assert (one.l2, one.sigma2_local, one.count) == (two.l2, two.sigma2_local, two.count)
    assert one.dim == plan.length == plan.sum_length


def test_trees_are_made_of_opened_sums_alone(made):
    """Whatever the rows: equal sums make equal trees, and the analyst derives them as the sites do."""
    plan = made.plan(task_of(**MADE))
    generator = np.random.default_rng(1)
    totals = [generator.integers(-(1 << 30), 1 << 30, plan.length).tolist() for _ in range(8)]
    found = []
    for _ in range(2):
        state = plan.start()
        for total in totals:
            state = plan.next(state, total)
        found.append(state)
    assert found[0] == found[1]
    assert plan.next(found[0], totals[0]) == found[0]


def test_without_noise_trees_train_only_where_a_site_lets_every_round_be_an_exact_disclosure(made):
    plan = made.plan(task_of(**(MADE | CLEAR)))
    assert plan.event(4) is None
    assert "training rows may be reconstructed" in plan.to_dict()["notice"]
    with pytest.raises(ConfigError, match="every site"):
        plan.attempt(run="r", round_number=0, attempt=0, cohort=made.sites[:3])


# ---- laws


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=53, max_size=53), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_law_any_numbers_are_trees(numbers, n_columns):
    sizes = Sizes(n_trees=4, depth=2, n_bins=8)
    trees = Ensemble.read(np.array(numbers), sizes, n_columns)
    rows = np.linspace(-1, 1, 7 * n_columns).reshape(7, n_columns)
    assert trees.nodes(bins_of(rows, 8), 3, 2).max() < sizes.n_nodes
    assert np.isfinite(trees.scores(bins_of(rows, 8), 0)).all()


@given(
    st.lists(st.tuples(st.integers(-500, 500), st.integers(0, 200)), min_size=2, max_size=9),
    st.integers(1, 50),
)
@settings(max_examples=60, deadline=None)
def test_law_a_split_has_both_sides_and_no_other_has_a_larger_gain(bins, penalty):
    """The oracle is the formula in fractions, over every cut."""

    def part(pairs):
        g, h = (sum(values) for values in zip(*pairs, strict=True))
        return Fraction(g * g, h + penalty), h

    whole = part(bins)[0]
    gains = {
        cut: part(bins[: cut + 1])[0] + part(bins[cut + 1 :])[0] - whole
        for cut in range(len(bins) - 1)
        if min(part(bins[: cut + 1])[1], part(bins[cut + 1 :])[1]) >= penalty
    }
    found = best_split(iter([[(place, g, h) for place, (g, h) in enumerate(bins)]]), penalty)
    if found is None:
        assert max(gains.values(), default=0) <= Fraction(1, 1 << 20)
        return
    assert min(found.left[1], found.right[1]) >= penalty
    assert gains[found.cut] >= max(gains.values()) - Fraction(1, 1 << 20)


def test_bins_that_no_value_can_be_in_have_no_part(made):
    encoding = Encoding(
        features=(
            Feature(name="b", kind="boolean"),
            Feature(name="k", kind="categorical", domain=("a", "b", "c")),
            Feature(name="n", kind="numeric", lower=0, upper=3, resolution=Fraction(1)),
            Feature(name="x", kind="numeric", lower=0, upper=900, resolution=Fraction(1)),
        ),
        outcome=Feature(name="y", kind="boolean"),
    )
    assert used_bins(encoding, 8) == ((4, 7), (4, 7), (4, 7), (0, 2, 5, 7), tuple(range(8)))


def test_random_splits_are_public_and_every_one_can_separate_values(made):
    plan, again = (made.plan(task_of(**RANDOM)) for _ in range(2))
    assert plan.start() == again.start()
    trees = Ensemble.read(floats_of(plan.start().parameters), Sizes(n_trees=4, depth=2, n_bins=32), 4)
    used = used_bins(plan.encoding, 32)
    for column, cut in zip(trees.columns.ravel(), trees.cuts.ravel(), strict=True):
        assert used[column - 1][0] <= cut < used[column - 1][-1]
    assert not trees.weights.any()


# ---- accuracy


def plain_trees(matrix, target, *, trees, depth, bins, penalty, rate):
    """Boosting in floats over the pooled rows, node by node, with the rows themselves in place of histograms."""
    columns = np.clip(np.floor((matrix[:, :-1] + 1) * bins / 2), 0, bins - 1)
    score = np.zeros(len(target))

    def grow(rows, level):
        g, h = gradient[rows], hessian[rows]
        best = (1e-9, None)
        for column in range(columns.shape[1]):
            for cut in np.unique(columns[rows, column])[:-1]:
                left = columns[rows, column] <= cut
                sides = [(g[side].sum(), h[side].sum()) for side in (left, ~left)]
                if min(side[1] for side in sides) < penalty:
                    continue
                gain = sum(a * a / (b + penalty) for a, b in sides) - g.sum() ** 2 / (h.sum() + penalty)
                if gain > best[0] + 1e-9:
                    best = (gain, left)
        if level == depth or best[1] is None:
            if level:
                move[rows] = -rate * g.sum() / (h.sum() + penalty)
            return
        grow(rows[best[1]], level + 1)
        grow(rows[~best[1]], level + 1)

    for _ in range(trees):
        chance = 1 / (1 + np.exp(-score))
        gradient, hessian, move = chance - target, chance * (1 - chance), np.zeros(len(target))
        grow(np.arange(len(target)), 0)
        score = score + move
    return score


def test_without_noise_the_trees_are_those_of_plain_code_over_the_pooled_rows(heart):
    task = task_of(**(TREES | CLEAR | {"trees": 3, "depth": 3, "rounds": 9, "features": FEATURES}))
    plan, state, matrix, target = added_up(heart, task)
    scores = plan.model.scores(state.values(), matrix)
    oracle = plain_trees(matrix, target, trees=3, depth=3, bins=32, penalty=5, rate=0.3)
    np.testing.assert_allclose(scores, oracle, atol=1e-3)


def test_four_hospitals_without_noise(heart):
    """In sample; held-out figures beside scikit-learn's are in docs/measurements.md."""
    task = task_of(model="boosted_trees", expected_units=None, **CLEAR)
    plan, state, matrix, target = added_up(heart, task)
    assert auc(target, plan.model.predict(plan.encoding, state.values(), matrix)) > 0.89


def test_four_hospitals_with_an_epsilon(heart):
    """Held-out figures are in docs/measurements.md; the noise alone gives 0.5."""
    fields = {"trees": 40, "rounds": 40, "penalty": 50, "random_splits": 1}
    task = task_of(model="boosted_trees", expected_units=None, **fields)
    plan, state, matrix, target = added_up(heart, task)
    assert auc(target, plan.model.predict(plan.encoding, state.values(), matrix)) > 0.83


def test_a_number_is_learned_and_stays_within_its_bounds(heart):
    task = task_of(**(CLEAR | {"model": "boosted_trees_regressor", "expected_units": None, "target": "thalach"}
                      | {"features": [name for name in FEATURES if name != "thalach"]}))  # fmt: skip
    plan, state, matrix, target = added_up(heart, task)
    numbers = plan.model.predict(plan.encoding, state.values(), matrix)
    assert np.corrcoef(numbers, target)[0, 1] > 0.55
    assert 40 <= numbers.min() <= numbers.max() <= 240


# ---- over the wire, as a file, and what is refused


def test_a_run_over_the_wire_is_the_sum_in_the_clear_and_a_saved_model_predicts_alike(made, tmp_path):
    fields = {
        name: value for name, value in (MADE | CLEAR).items() if name in {"trees", "depth", "rounds", "exact"}
    }
    model = estimator_of("boosted_trees")(epsilon=None, report_loss=True, **fields)
    model.fit(made, table="patients", features=["x", "k", "b"], target="y")
    _, _, states = states_of(made, task_of(**(MADE | CLEAR | {"report_loss": True})))
    assert model._parameters == states[-1].parameters
    assert model.history_[-1]["loss"] < model.history_[0]["loss"]
    model.save(tmp_path / "model.json")
    again = estimator_of("boosted_trees").load(tmp_path / "model.json")
    frame = pd.DataFrame({"x": [-1.5, 0.3, 1.9], "k": ["a", "b", "c"], "b": [True, False, True]})
    assert again.predict_proba(frame).tolist() == model.predict_proba(frame).tolist()
    assert again.summary() == {"parameters": 1 + 4 * 13}
    document = json.loads((tmp_path / "model.json").read_text())
    document["parameters"].pop()
    (tmp_path / "model.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="not a saved model"):
        estimator_of("boosted_trees").load(tmp_path / "model.json")


def test_trees_that_a_lost_attempt_left_unfinished_predict_with_what_they_have(made):
    plan, parts, states = states_of(made, task_of(**(MADE | CLEAR)))
    for state in states:
        chances = plan.model.predict(plan.encoding, state.values(), parts[0].matrix)
        assert ((chances > 0) & (chances < 1)).all()
    assert np.ptp(plan.model.predict(plan.encoding, states[1].values(), parts[0].matrix)) > 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rounds": 9}, "rounds: this model with these options is made in 8 rounds"),
        ({"random_splits": 1}, "rounds: this model with these options is made in 4 rounds"),
        ({"strategy": "fedavg"}, "strategy: boosted_trees has a rule of its own"),
        ({"momentum": "0.5"}, "momentum: trees have none"),
        ({"expected_units": 100}, "expected_units: trees have none"),
        ({"depth": 7}, "depth: must be a whole number from 1 to 6"),
        ({"trees": 0}, "trees: must be"),
        ({"bins": 2}, "bins: must be"),
        ({"target": "k", "features": ("x", "b")}, "target: k must be boolean"),
        ({"target": "x", "features": ("k", "b")}, "target: x must be boolean"),
        (CLEAR | {"learning_rate": 1}, "learning_rate: is fixed without noise"),
    ],
    ids=str,
)  # fmt: skip
def test_anything_else_is_refused_in_plain_words(made, changes, says):
    with pytest.raises(ConfigError) as caught:
        made.plan(task_of(**(MADE | changes)))
    assert any(mistake.startswith(says) for mistake in caught.value.mistakes), caught.value.mistakes


def test_rows_of_one_class_no_rows_and_a_constant_column_make_a_model(made):
    plan = made.plan(task_of(**MADE))
    for target in (np.zeros(6), np.ones(6), np.zeros(0)):
        cases = Cases(
            matrix=np.tile([0.5, 1, 0, 1, 1.0], (len(target), 1)),
            target=target,
            starts=np.arange(len(target)),
        )
        state = plan.start()
        for _ in range(8):
            state = plan.next(state, clamped_sum(plan, cases, floats_of(state.parameters)).tolist())
        assert np.isfinite(state.values()).all()


def test_the_default_options_fit_the_default_rounds(made):
    fields = {"features": ("x",), "target": "y", "expected_units": None}
    for name in ("boosted_trees", "boosted_trees_regressor"):
        assert MODELS[name].own_strategy(made.plan(task_of(**fields)).encoding).n_rounds({}) == 40
