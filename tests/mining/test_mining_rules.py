"""Chi-square, p-values and their adjustment, limits on measures, and the choice among open itemsets."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.errors import InvalidRequestError
from analytics.mining.result import FrequentItemset, MiningResult, NamedRule
from analytics.mining.rules import MEASURES, adjusted_p_values, find_rules

SUPPORTS = {
    ("a",): 60,
    ("b",): 50,
    ("c",): 40,
    ("a", "b"): 45,
    ("a", "c"): 20,
    ("b", "c"): 20,
    ("a", "b", "c"): 19,
}
N_ROWS = 100


def result_of(supports=None, **changes):
    from fractions import Fraction

    supports = supports or SUPPORTS
    rules = find_rules(supports, N_ROWS, Fraction(1, 1000))
    return MiningResult(
        found=tuple(FrequentItemset(items=s, count=c, support=c / N_ROWS) for s, c in supports.items()),
        found_rules=tuple(
            NamedRule(
                antecedents=r.antecedent,
                consequents=r.consequent,
                measures=dict(zip(MEASURES, r.measures, strict=True)),
            )
            for r in rules
        ),
        n_rows=N_ROWS,
        is_complete=True,
        **changes,
    )


@given(st.integers(1, 200), st.data())
def test_law_chi_square_is_the_sum_over_the_four_cells(n_rows, data) -> None:
    both = data.draw(st.integers(0, n_rows))
    left = data.draw(st.integers(both, n_rows))
    right = data.draw(st.integers(both, n_rows - (left - both)))
    if not both or n_rows in {left, right}:
        return
    from fractions import Fraction

    [rule, _] = find_rules({(0,): left, (1,): right, (0, 1): both}, n_rows, Fraction(1, 10**6))
    found = dict(zip(MEASURES, rule.measures, strict=True))
    cells = [(both, left, right), (left - both, left, n_rows - right), (right - both, n_rows - left, right)]
    cells.append((n_rows - left - right + both, n_rows - left, n_rows - right))
    expected = math.fsum((seen - a * b / n_rows) ** 2 / (a * b / n_rows) for seen, a, b in cells)
    assert found["chi_square"] == pytest.approx(expected, rel=1e-9, abs=1e-9)
    # the square of a standard normal: the tail by its series, which shares no code
    root = math.sqrt(found["chi_square"])
    assert found["p_value"] == pytest.approx(2 * (1 - 0.5 * (1 + math.erf(root / math.sqrt(2)))), abs=1e-12)
    assert found["p_adjusted"] == found["p_value"]  # one test


def test_a_far_tail_is_not_zero() -> None:
    from fractions import Fraction

    [rule, _] = find_rules({(0,): 500, (1,): 500, (0, 1): 495}, 1000, Fraction(1, 2))
    found = dict(zip(MEASURES, rule.measures, strict=True))
    assert found["chi_square"] == pytest.approx(960.4)
    assert 0 < found["p_value"] < 1e-200  # scipy.stats.chi2.sf(960.4, 1) is 6.6e-211


def test_both_directions_of_a_rule_are_one_test_and_all_pairs_of_sides_count() -> None:
    """Three pairs and the triple's three splits: six tests, whatever confidence or limits keep afterwards."""
    raw = adjusted_p_values(SUPPORTS, N_ROWS, "bonferroni")
    assert len(raw) == 6
    result = result_of()
    assert len(result.found_rules) == 12
    for rule in result.adjusted("bonferroni").found_rules:
        assert rule.measures["p_adjusted"] == min(1.0, 6 * rule.measures["p_value"])
    kept = result.where(lift=1.2).adjusted("bonferroni").found_rules
    assert kept
    assert all(rule.measures["p_adjusted"] == min(1.0, 6 * rule.measures["p_value"]) for rule in kept)
    ordered = sorted({rule.measures["p_value"] for rule in result.found_rules})
    adjusted = {rule.measures["p_value"]: rule.measures["p_adjusted"] for rule in result.found_rules}
    assert [adjusted[p] for p in ordered] == sorted(adjusted[p] for p in ordered)
    assert all(adjusted[p] >= p for p in ordered)
    assert result.maximal().adjusted("holm").found_rules == result.adjusted("holm").found_rules
    with pytest.raises(InvalidRequestError):
        result.adjusted("none")


@pytest.mark.parametrize("measure", [name.replace(" ", "_") for name in MEASURES])
def test_a_limit_on_each_measure(measure) -> None:
    result = result_of()
    name = {m.replace(" ", "_"): m for m in MEASURES}[measure]
    values = sorted(rule.measures[name] for rule in result.found_rules)
    middle = values[len(values) // 2]
    kept = [rule.measures[name] for rule in result.where(**{measure: middle}).found_rules]
    expected = [v for v in values if (v <= middle if measure.startswith("p_") else v >= middle)]
    assert sorted(kept) == expected


@pytest.mark.parametrize("limits", [{"lif": 1}, {"lift": "1"}, {"lift": True}, {"lift": math.nan}])
def test_a_limit_that_is_none(limits) -> None:
    with pytest.raises(InvalidRequestError):
        result_of().where(**limits)


def test_closed_maximal_and_rare_itemsets() -> None:
    supports = SUPPORTS | {("b",): 45}
    result = result_of(supports)

    def names(part):
        return {"".join(entry.items) for entry in part.found}

    assert names(result.closed()) == {"a", "c", "ab", "ac", "bc", "abc"} - {
        s for s in ("ac", "bc") if supports[tuple(s)] == supports["a", "b", "c"]
    }  # b is held by ab alone
    assert names(result.maximal()) == {"abc"}
    assert names(result.rare(0.2)) == {"ac", "bc", "abc"}
    assert names(result.rare(0.2).maximal()) == {"abc"}
    for bad in (0, 1.5, True, "x"):
        with pytest.raises(InvalidRequestError):
            result.rare(bad)
