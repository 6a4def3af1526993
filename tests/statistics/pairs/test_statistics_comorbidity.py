"""Comorbidity: odds ratios of all pairs of items, and the network as a graph, a file and a picture."""

import sys

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from event_world import EVENTS, event_world, reports
from scipy import stats
from statistic_world import StatisticWorld

from analytics.errors import InvalidRequestError, PlanRejectedError

ITEMS = ["drug=d0", "drug=d2", "event"]


@pytest.fixture(scope="module")
def world():
    return event_world(reports(seed=8))


@pytest.fixture(scope="module")
def answer(world):
    return world.ask("comorbidity", items=ITEMS)


def people(frame, name):
    column, value = name.split("=")
    return set(frame.patient[frame[column] == value])


def test_the_open_pairs_and_their_measures_are_those_of_sets_of_people(world, answer):
    everybody = set(world.frame.patient)
    names = ["drug=d0", "drug=d2", *(f"event={each}" for each in EVENTS)]
    rows = {(row["first"], row["second"]): row for row in answer.rows}
    pvalues = {}
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            one, other = people(world.frame, first), people(world.frame, second)
            cells = [len(one & other), len(one - other), len(other - one), len(everybody - one - other)]
            assert ((first, second) in rows) == (min(cells) >= 10)
            if min(cells) < 10:
                continue
            row, table = rows[first, second], np.array(cells).reshape(2, 2)
            odds = stats.contingency.odds_ratio(table, kind="sample")
            assert row["odds_ratio"] == pytest.approx(odds.statistic)
            ends = odds.confidence_interval(0.95)
            assert (row["odds_ratio_low"], row["odds_ratio_high"]) == pytest.approx((ends.low, ends.high))
            indicators = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], cells, axis=0)
            assert row["phi"] == pytest.approx(np.corrcoef(indicators.T)[0, 1])
            expected = stats.contingency.expected_freq(table)[0, 0]
            assert row["relative_risk"] == pytest.approx(cells[0] / expected)
            pvalues[first, second] = stats.chi2_contingency(table, correction=False).pvalue
    adjusted = dict(zip(pvalues, stats.false_discovery_control(list(pvalues.values())), strict=True))
    assert {pair: row["p_adjusted"] for pair, row in rows.items()} == pytest.approx(adjusted)
    assert len(rows) > 15
    assert answer.n_closed == 45 - len(rows)
    ratios = answer.frame.odds_ratio
    assert ratios.is_monotonic_decreasing


def test_the_network_is_a_graph_and_a_graphml_file(answer, tmp_path):
    graph = answer.graph()
    kept = answer.where(p_adjusted=0.05, odds_ratio=1)
    assert {frozenset(edge) for edge in graph.edges} == {
        frozenset((row["first"], row["second"])) for row in kept.rows
    }
    assert graph.number_of_edges() > 0
    assert set(graph.nodes) == {name for name, count in answer.item_counts.items() if count is not None}
    answer.to_graphml(tmp_path / "net.graphml")
    read = nx.read_graphml(tmp_path / "net.graphml")
    assert dict(read.nodes(data=True)) == dict(graph.nodes(data=True))
    assert {frozenset(pair): data for *pair, data in read.edges(data=True)} == {
        frozenset(pair): data for *pair, data in graph.edges(data=True)
    }
    edge = graph.edges["drug=d2", "event=e3"]
    assert edge["weight"] == pytest.approx(np.log(edge["odds_ratio"]))


def test_the_network_is_a_picture(answer):
    axes = answer.plot()
    assert len(axes.lines) == answer.graph().number_of_edges()
    assert {text.get_text() for text in axes.texts} == set(answer.graph().nodes)


def test_without_networkx_the_frame_is_there_and_the_graph_says_what_to_install(answer, monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    assert not answer.frame.empty
    with pytest.raises(InvalidRequestError, match="crossward\\[graphs\\]"):
        answer.graph()


def test_a_small_cell_closes_the_pair_and_nothing_else():
    rows = [
        (f"p{n}", drug, event, 1) for n in range(60) for drug, event in [("d0", "e0" if n < 51 else "e1")]
    ]
    rows += [(f"p{100 + n}", "d1", "e0", 1) for n in range(60)]
    world = event_world(pd.DataFrame(rows, columns=["patient", "drug", "event", "day"]))
    answer = world.ask("comorbidity", items=["drug=d0", "event=e0", "event=e1"])
    assert (answer.closed, answer.rows, answer.n_closed) == ("minimum_cell", (), 3)
    assert answer.item_counts == {"drug=d0": 60, "event=e0": None, "event=e1": None}
    assert answer.picture() is not None


@pytest.mark.parametrize(
    ("items", "error", "part"),
    [("drug=d0", InvalidRequestError, "two items"), (["drug", "x"], PlanRejectedError, "unknown column")],
)
def test_wrong_arguments_are_refused(world, items, error, part):
    with pytest.raises(error, match=part):
        world.plan("comorbidity", items=items)
    with pytest.raises(InvalidRequestError, match="noise"):
        world.plan("comorbidity", items=ITEMS, epsilon="1")


def test_findings_of_a_wide_table_are_columns():
    generator = np.random.default_rng(2)
    ill = generator.random((600, 3)) < 0.4
    frame = pd.DataFrame(ill, columns=["a", "b", "c"])
    frame["b"] |= frame["a"] & (generator.random(600) < 0.5)
    world = StatisticWorld(frame, {name: {"type": "boolean"} for name in "abc"})
    answer = world.ask("comorbidity", items=["a", "b", "c"])
    assert (answer.rows[0]["first"], answer.rows[0]["second"]) == ("a", "b")
    assert answer.rows[0]["count"] == (frame.a & frame.b).sum()


def test_a_private_network_of_a_wide_table():
    generator = np.random.default_rng(2)
    frame = pd.DataFrame(generator.random((900, 3)) < 0.4, columns=["a", "b", "c"])
    frame["b"] |= frame["a"] & (generator.random(900) < 0.5)
    world = StatisticWorld(frame, {name: {"type": "boolean"} for name in "abc"})
    plan = world.plan("comorbidity", items=["a", "b", "c"], epsilon="5")
    assert (len(plan.cost), plan.statistic.norm.square) == (1, 3)
    answer = world.ask("comorbidity", items=["a", "b", "c"], epsilon="5")
    row = answer.rows[0]
    assert (row["first"], row["second"], answer.closed) == ("a", "b", "")
    assert row["count"] == pytest.approx((frame.a & frame.b).sum(), abs=6 * answer.noise_sd)
    exact = world.ask("comorbidity", items=["a", "b", "c"]).rows[0]
    assert row["odds_ratio_low"] < exact["odds_ratio"] < row["odds_ratio_high"]
    assert row["phi"] == pytest.approx(exact["phi"], abs=0.1)
    assert ("a", "b") in answer.graph().edges
    assert world.ask("comorbidity", items=["a", "b", "c"], epsilon="0.005").closed == "too_few"
