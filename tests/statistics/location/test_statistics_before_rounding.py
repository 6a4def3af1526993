"""A test build that opens what a hidden statistic is made from: exact integers, whose ratio is scipy's statistic to 1e-9.

On shares, numerator and denominator are integers until they are normalised to mantissas of 31 bits; the test build keeps each
party's share of these integers. What follows (products of mantissas, within 2^-25, and the rounding to three digits) has tests of
its own (test_statistics_revealed, test_smpc_significant). Statistics made from quotients have no such integers: chi-square of a table
beyond 2 x 2 and the log-rank tests are within 1e-6, see hidden_ratios.
"""

from fractions import Fraction
from itertools import combinations
from math import prod

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statistic_world import heart_world

from analytics.statistics.hidden import hidden_f, hidden_ranks, hidden_ratios

EDGES = [110, 130, 150, 170]


@pytest.fixture(scope="module")
def hearts():
    return heart_world()


@pytest.fixture
def integers(monkeypatch):
    """Of a run the integers that were normalised first, put together from the shares of all parties."""
    kept = {}

    def keeping(function):
        def normalize(session, x, bits):
            kept.setdefault(session.rank, x.share.copy())  # later calls are of mantissas
            return function(session, x, bits)

        return normalize

    monkeypatch.setattr(hidden_ratios, "normalize", keeping(hidden_ratios.normalize))
    monkeypatch.setattr(hidden_ranks, "normalize", keeping(hidden_ranks.normalize))
    monkeypatch.setattr(hidden_f.normalized, "normalize", keeping(hidden_f.normalized.normalize))
    return lambda: [int(each) for each in sum(kept.values())]


def known(world, *names):
    return world.frame[list(names)].dropna()


def table(world, a, b):
    rows = known(world, a, b).astype(str)
    return pd.crosstab(rows[a], rows[b]).to_numpy()


@pytest.mark.parametrize("correction", [False, True])
@pytest.mark.parametrize("a", ["sex", "fbs", "exang"])
def test_chi_square_of_four_cells(hearts, integers, a, correction):
    hearts.ask("chi_square", a=a, b="disease", correction=correction, reveal="statistic")
    n, apart, one, other = integers()
    apart = Fraction(apart, 2 if correction else 1)  # Yates' is twice the distance, less n
    found = n * apart**2 / (one * other)
    assert float(found) == pytest.approx(
        stats.chi2_contingency(table(hearts, a, "disease"), correction=correction).statistic, rel=1e-9
    )


def test_odds_ratio(hearts, integers):
    hearts.ask("crosstab", a="sex", b="disease", reveal="statistic")
    above, below = integers()
    oracle = stats.contingency.odds_ratio(table(hearts, "sex", "disease"), kind="sample").statistic
    assert float(Fraction(above, below)) == pytest.approx(oracle, rel=1e-9)


@pytest.mark.parametrize("equal_var", [False, True])
@pytest.mark.parametrize("column", ["age", "thalach", "oldpeak"])
def test_t(hearts, integers, column, equal_var):
    hearts.ask("t_test", column=column, by="disease", equal_var=equal_var, reveal="statistic")
    apart, degrees, *rest = integers()
    spreads, weights = rest[:2], rest[2:]
    found = Fraction(apart**2 * degrees, sum(a * b for a, b in zip(spreads, weights, strict=True)))
    rows = known(hearts, column, "disease")
    groups = [rows[column][rows.disease == value] for value in (False, True)]
    oracle = stats.ttest_ind(*groups, equal_var=equal_var).statistic
    assert float(found) ** 0.5 * np.sign(apart) == pytest.approx(oracle, rel=1e-9)


@pytest.mark.parametrize(("column", "by"), [("age", "cp"), ("thalach", "disease")])
def test_f(hearts, integers, column, by):
    hearts.ask("anova", column=column, by=by, reveal="statistic")
    groups = [part[column].to_numpy(float) for _, part in known(hearts, column, by).groupby(by)]
    k = len(groups)
    pairs = list(combinations(range(k), 2))
    found = integers()
    apart, within = found[: len(pairs)], found[len(pairs) : len(pairs) + k]
    sizes, (left, scaled) = found[len(pairs) + k : len(pairs) + 2 * k], found[-2:]
    every = prod(sizes)
    between = sum(d**2 * Fraction(every, sizes[i] * sizes[j]) for d, (i, j) in zip(apart, pairs, strict=True))
    inside = sum(each * Fraction(every, size) for each, size in zip(within, sizes, strict=True))
    assert float(between * left / (inside * scaled)) == pytest.approx(
        stats.f_oneway(*groups).statistic, rel=1e-9
    )


@pytest.mark.parametrize("pair", [("age", "thalach"), ("chol", "trestbps")])
def test_correlation(hearts, integers, pair):
    hearts.ask("correlation", columns=list(pair), reveal="statistic")
    both, first, second = integers()
    oracle = stats.pearsonr(*(known(hearts, *pair)[name] for name in pair)).statistic
    assert float(Fraction(both**2, first * second)) ** 0.5 * np.sign(both) == pytest.approx(oracle, rel=1e-9)


def test_z_of_mann_and_whitney(hearts, integers):
    hearts.ask("mann_whitney", column="thalach", by="disease", reveal="statistic")
    apart, thrice, pairs, spread = integers()
    rows = known(hearts, "thalach", "disease")
    groups = [np.digitize(rows.thalach[rows.disease == value], EDGES) for value in (False, True)]
    oracle = stats.mannwhitneyu(*groups, method="asymptotic")
    z = float(Fraction(apart**2 * thrice, pairs * spread)) ** 0.5
    assert 2 * stats.norm.sf(z) == pytest.approx(oracle.pvalue, rel=1e-8)
    assert z == pytest.approx(stats.norm.isf(oracle.pvalue / 2), rel=1e-9)
