"""Four real hospitals in FLamby's set-up: as accurate on its test patients as a model of the pooled records."""

import numpy as np
import pandas as pd
import pytest
from training_world import FEATURES, SITES, added_up, auc, task_of

BEST_FEDERATED = 0.785  # FLamby, Fed-Heart-Disease: cyclic; FedAvg 0.748, pooled 0.795
DECLARED = {"epsilon": None, "exact": True, "expected_units": None, "rounds": 100}


@pytest.fixture
def flamby(world_of, heart_frames, heart_tables):
    """Its patients, and its split by hospital."""
    split = pytest.importorskip("sklearn.model_selection", reason="a test dependency").train_test_split
    train, held = {}, []
    for name in SITES:
        rows = heart_frames[name].dropna(subset=[*FEATURES, "disease"]).reset_index(drop=True)
        ill = rows["disease"].to_numpy(bool)
        known = ill if min(ill.sum(), (~ill).sum()) > 2 else None
        parts = split(np.arange(len(rows)), test_size=0.34, train_size=0.66, random_state=43, stratify=known)
        train[name], test = (rows.iloc[np.sort(places)].reset_index(drop=True) for places in parts)
        held.append(test)
    return world_of(train, tables=heart_tables), pd.concat(held)


def on_the_test_patients(plan, state, held):
    matrix, truth = plan.encoding.matrix(plan.encoding.codes_of(held)), held["disease"].to_numpy(bool)
    chances = plan.model.predict(plan.encoding, state.values(), matrix)
    return np.mean((chances > 0.5) == truth), auc(truth, chances), matrix, truth


@pytest.mark.parametrize("strategy", ["adam", "fedavg"])
def test_a_strategy_reaches_the_pooled_model(flamby, strategy):
    """Both are deterministic; the oracle of the pooled rows is scikit-learn's."""
    learn = pytest.importorskip("sklearn.linear_model", reason="a test dependency")
    world, held = flamby
    plan, state, rows, target = added_up(world, task_of(strategy=strategy, **DECLARED))
    accuracy, area, matrix, truth = on_the_test_patients(plan, state, held)
    pooled = learn.LogisticRegression(C=10, max_iter=10_000).fit(rows[:, :-1], target)
    assert len(truth) == 254
    assert accuracy >= BEST_FEDERATED
    assert area > auc(truth, pooled.predict_proba(matrix[:, :-1])[:, 1]) - 0.005


@pytest.mark.slow
def test_boosted_trees_are_as_accurate_as_scikit_learns_over_the_pooled_rows(flamby):
    """With the same number, depth and rate of trees, and with scikit-learn's own defaults."""
    ensemble = pytest.importorskip("sklearn.ensemble", reason="a test dependency")
    world, held = flamby
    task = task_of(model="boosted_trees", epsilon=None, exact=True, expected_units=None)
    plan, state, rows, target = added_up(world, task)
    _, area, matrix, truth = on_the_test_patients(plan, state, held)
    for options in ({"max_iter": 20, "max_depth": 2, "learning_rate": 0.3}, {}):
        pooled = ensemble.HistGradientBoostingClassifier(random_state=0, **options)
        pooled.fit(rows[:, :-1], target)
        assert area > auc(truth, pooled.predict_proba(matrix[:, :-1])[:, 1]) - 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("epsilon", "most"), [(1, 0.03), (2, 0.015)])
def test_an_epsilon_costs_little_of_the_area_on_held_out_patients(
    world_of, heart_frames, heart_tables, epsilon, most
):
    """Twenty held-out folds; rounds, rate and clip are the strategy's defaults, fixed in advance."""
    folds_of = pytest.importorskip("sklearn.model_selection", reason="a test dependency").StratifiedKFold
    learn = pytest.importorskip("sklearn.linear_model", reason="a test dependency")
    lost = []
    whole = {
        name: heart_frames[name].dropna(subset=[*FEATURES, "disease"]).reset_index(drop=True)
        for name in SITES
    }
    for seed in range(4):
        folds = {}
        for name, rows in whole.items():
            ill = rows["disease"].to_numpy(bool)
            kinds = ill if min(ill.sum(), (~ill).sum()) > 4 else np.zeros(len(rows))
            folds[name] = list(folds_of(5, shuffle=True, random_state=seed).split(rows, kinds))
        for fold in range(5):
            world = world_of(
                {
                    name: rows.iloc[folds[name][fold][0]].reset_index(drop=True)
                    for name, rows in whole.items()
                },
                tables=heart_tables,
            )
            held = pd.concat([rows.iloc[folds[name][fold][1]] for name, rows in whole.items()])
            task = task_of(strategy="adagrad", epsilon=epsilon, expected_units=None, rounds=20)
            plan, state, rows, target = added_up(world, task)
            _, area, matrix, truth = on_the_test_patients(plan, state, held)
            pooled = learn.LogisticRegression(C=10, max_iter=10_000).fit(rows[:, :-1], target)
            lost.append(auc(truth, pooled.predict_proba(matrix[:, :-1])[:, 1]) - area)
    assert len(lost) == 20
    assert np.mean(lost) < most
