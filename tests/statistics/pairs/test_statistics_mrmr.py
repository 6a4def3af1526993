"""Selection of features: the greedy choice with scikit-learn's mutual information; a small cell closes one table."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mutual_info_score
from statistic_world import StatisticWorld

from analytics.errors import InvalidRequestError, PlanRejectedError

FEATURES = ["copy", "signal", "weak", "noise", "age"]
COLUMNS = {
    "ill": {"type": "boolean"},
    "copy": {"type": "categorical", "domain": ["a", "b"]},
    "signal": {"type": "categorical", "domain": ["x", "y", "z"], "nullable": True},
    "weak": {"type": "boolean"},
    "noise": {"type": "boolean"},
    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1, "bins": [0, 40, 60, 120]},
}


def frame(n=1500, seed=4):
    generator = np.random.default_rng(seed)
    ill = generator.random(n) < 0.4
    seen = ill ^ (generator.random(n) < 0.1)
    signal = np.where(generator.random(n) < 0.7, np.where(seen, "x", "y"), "z").astype(object)
    copy = np.where((signal == "x") ^ (generator.random(n) < 0.1), "a", "b")
    signal[:20] = None
    age = np.clip(np.where(ill, 55, 48) + 18 * generator.normal(size=n), 0, 119).astype(int)
    weak = generator.random(n) < np.where(ill, 0.5, 0.3)
    return pd.DataFrame(
        {
            "ill": ill,
            "copy": copy,
            "signal": signal,
            "weak": weak,
            "noise": generator.random(n) < 0.5,
            "age": age,
        }
    )


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(frame(), COLUMNS, rows_max=2000)


def greedy(data, n, *, quotient=False):
    """By scikit-learn over complete rows, written apart."""
    data = data.dropna().assign(age=lambda d: pd.cut(d.age, [0, 40, 60, 121], right=False).astype(str))
    chosen = []
    while len(chosen) < n:
        best = None
        for name in FEATURES:
            if name in chosen:
                continue
            relevance = mutual_info_score(data.ill, data[name])
            redundancy = (
                np.mean([mutual_info_score(data[one], data[name]) for one in chosen]) if chosen else 0
            )
            score = relevance / redundancy if quotient and chosen else relevance - redundancy
            if best is None or score > best[0]:
                best = (score, name, relevance, redundancy)
        chosen.append(best[1])
        yield best


@pytest.mark.parametrize("scheme", ["difference", "quotient"])
def test_the_exact_selection_is_the_greedy_one(world, scheme):
    answer = world.ask("mrmr", target="ill", features=FEATURES, scheme=scheme)
    expected = list(greedy(world.frame, 5, quotient=scheme == "quotient"))
    assert list(answer.features) == [name for _, name, _, _ in expected]
    assert answer.scores == pytest.approx([score for score, _, _, _ in expected])
    assert answer.relevance == pytest.approx([relevance for _, _, relevance, _ in expected])
    assert answer.redundancy[0] is None
    assert answer.redundancy[1:] == pytest.approx([redundancy for _, _, _, redundancy in expected[1:]])
    assert answer.left_out == ()
    assert answer.frame.feature.tolist() == list(answer.features)


def test_a_redundant_feature_comes_after_a_weaker_one(world):
    answer = world.ask("mrmr", target="ill", features=FEATURES, n=3)
    assert answer.features[0] == "signal"
    assert "copy" not in answer.features
    assert answer.left_out == ()


def test_a_small_cell_closes_one_table_and_names_the_feature():
    """The attack: nine people in one cell; their table is not among what opens, the others are."""
    data = frame()
    data["weak"] = np.arange(len(data)) % 2 == 0
    data["noise"] = ~data["weak"]
    data.loc[:8, "noise"] = True  # nine of those with weak have it
    world = StatisticWorld(data, COLUMNS, rows_max=2000)
    plan = world.plan("mrmr", target="ill", features=FEATURES)
    opened = np.sum([np.frombuffer(part, dtype="<i8") for part in world.answers(plan)], axis=0)
    statistic = plan.statistic
    flags = dict(zip(statistic.pairs, opened[sum(statistic.sizes) :], strict=True))
    assert [pair for pair, flag in flags.items() if not flag] == [(3, 4)]
    start = sum(statistic.sizes[: statistic.pairs.index((3, 4))])
    assert (opened[start : start + 4] == 0).all()
    answer = world.ask("mrmr", target="ill", features=FEATURES)
    first = next(name for name in answer.features if name in {"weak", "noise"})
    assert answer.left_out == (({"weak", "noise"} - {first}).pop(),)
    closed = StatisticWorld(data.head(30), COLUMNS).ask("mrmr", target="ill", features=FEATURES)
    assert (closed.closed, closed.features, len(closed.left_out)) == ("minimum_cell", (), 5)


def test_a_private_selection_is_one_release_and_nears_the_exact_one(world):
    plan = world.plan("mrmr", target="ill", features=FEATURES, epsilon="20")
    assert len(plan.cost) == 1
    answer = world.ask("mrmr", target="ill", features=FEATURES, epsilon="20")
    exact = world.ask("mrmr", target="ill", features=FEATURES)
    assert answer.features[0] == exact.features[0] == "signal"
    by_name = dict(zip(exact.features, exact.relevance, strict=True))
    assert [by_name[name] for name in answer.features] == pytest.approx(answer.relevance, abs=0.02)


def test_what_noise_alone_would_tell_is_taken_off():
    """Without the correction, a column of many groups looks relevant under noise whatever it holds."""
    generator = np.random.default_rng(1)
    data = pd.DataFrame(
        {
            "ill": generator.random(900) < 0.5,
            "many": generator.integers(0, 12, 900),
            "few": generator.random(900) < 0.5,
        }
    )
    columns = {
        "ill": {"type": "boolean"},
        "many": {"type": "categorical", "domain": list(range(12))},
        "few": {"type": "boolean"},
    }
    world = StatisticWorld(data, columns)
    plan = world.plan("mrmr", target="ill", features=["many", "few"], epsilon="1")
    total = np.sum(world.scanned(plan), axis=0)
    found = []
    for _ in range(20):
        drawn, start = [], 0
        for law, size in zip(plan.noise, plan.statistic.sizes, strict=True):
            part = (total[start : start + size] + law.draw(size, generator)) * law.weight
            drawn.append(np.rint(part).astype(np.int64))
            start += size
        answer = plan.statistic.estimate((np.concatenate(drawn),), plan.noise)
        found.append(dict(zip(answer.features, answer.relevance, strict=True))["many"])
    assert np.mean(found) < 0.02


@pytest.mark.parametrize(
    ("arguments", "error", "part"),
    [
        ({"features": ["copy"]}, InvalidRequestError, "2 to 40"),
        ({"features": ["copy", "ill"]}, InvalidRequestError, "different columns"),
        ({"features": ["copy", "nothing"]}, PlanRejectedError, "nothing"),
        ({"n": 9}, InvalidRequestError, "n"),
        ({"scheme": "ratio"}, InvalidRequestError, "difference or quotient"),
        ({"target": 3}, InvalidRequestError, "target"),
    ],
)
def test_wrong_arguments_are_refused(world, arguments, error, part):
    with pytest.raises(error, match=part):
        world.plan("mrmr", **({"target": "ill", "features": FEATURES} | arguments))


def test_too_many_cells_are_refused():
    columns = {name: {"type": "categorical", "domain": list(range(300))} for name in ("a", "b", "c")}
    world = StatisticWorld(pd.DataFrame({name: [1, 2, 3] for name in columns}), columns)
    with pytest.raises(InvalidRequestError, match="270000 cells"):
        world.plan("mrmr", target="a", features=["b", "c"])
