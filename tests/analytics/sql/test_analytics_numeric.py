"""Grid arithmetic: exact against fractions, and bounds that hold for every row."""

import operator
from collections.abc import Callable
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.sql.terms.expressions import (
    Choice,
    ColumnIndex,
    Compare,
    Condition,
    Integer,
    Known,
    Literal,
    Product,
    Sum,
    TruthValue,
    bounds,
    widest,
)
from analytics.sql.terms.numeric import (
    Numeric,
    TooWideError,
    add,
    choose,
    compare,
    constant,
    multiply,
    negate,
    truth,
)

X = Numeric(expression=ColumnIndex(name="x", lower=-3, upper=4), unit=Fraction(1, 2))
Y = Numeric(expression=ColumnIndex(name="y", lower=2, upper=5), unit=Fraction(3, 10))
TESTS: dict[str, Callable[[object, object], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "<>": operator.ne,
}  # fmt: skip

Tree = tuple
constants = st.fractions(min_value=-9, max_value=9, max_denominator=12)
trees = st.recursive(
    st.sampled_from(["x", "y"]) | constants,
    lambda inner: (
        st.tuples(st.sampled_from(["+", "*", "-"]), inner, inner)
        | st.tuples(st.sampled_from(sorted(TESTS)), inner, inner, inner, inner)
    ),
    max_leaves=6,
)


def built(tree: object) -> Numeric:
    """The tree through the code under test."""
    match tree:
        case "x":
            return X
        case "y":
            return Y
        case Fraction():
            return constant(tree)
        case ("+", left, right):
            return add(built(left), built(right))
        case ("-", left, right):
            return add(built(left), negate(built(right)))
        case ("*", left, right):
            return multiply(built(left), built(right))
        case (sign, left, right, yes, no):
            return choose([(compare(sign, built(left), built(right)), built(yes))], built(no))
    raise AssertionError(tree)


def meant(tree: object, x: Fraction, y: Fraction) -> Fraction:
    """The tree in plain fractions."""
    match tree:
        case "x":
            return x
        case "y":
            return y
        case Fraction():
            return tree
        case ("+" | "-" | "*" as sign, left, right):
            action = {"+": operator.add, "-": operator.sub, "*": operator.mul}[sign]
            return action(meant(left, x, y), meant(right, x, y))
        case (sign, left, right, yes, no):
            return meant(yes if TESTS[sign](meant(left, x, y), meant(right, x, y)) else no, x, y)
    raise AssertionError(tree)


def value(expression: Integer, row: dict[str, int]) -> int:
    """What the database would compute."""
    match expression:
        case ColumnIndex(name=name):
            return row[name]
        case Literal(value=number):
            return number
        case Sum(left=left, right=right):
            return value(left, row) + value(right, row)
        case Product(left=left, right=right):
            return value(left, row) * value(right, row)
        case TruthValue(condition=condition):
            return int(holds(condition, row))
        case Choice(branches=((condition, yes),), default=no):
            return value(yes if holds(condition, row) else no, row)
    raise AssertionError(expression)


def holds(condition: Condition, row: dict[str, int]) -> bool:
    match condition:
        case Known(value=known):
            return known
        case Compare(operator=sign, left=left, right=right):
            return TESTS[sign](value(left, row), value(right, row))
    raise AssertionError(condition)


@settings(deadline=None, max_examples=200)
@given(trees)
def test_every_row_has_the_exact_value_within_the_bounds(tree: object) -> None:
    numeric = built(tree)
    lower, upper = bounds(numeric.expression)
    assert numeric.unit > 0
    assert widest(numeric.expression) >= max(abs(lower), abs(upper))
    for x, y in product(range(-3, 5), range(2, 6)):
        found = value(numeric.expression, {"x": x, "y": y})
        assert lower <= found <= upper
        assert found * numeric.unit == meant(tree, x * Fraction(1, 2), y * Fraction(3, 10))


@given(st.sampled_from(sorted(TESTS)), st.fractions(min_value=-40, max_value=40), st.booleans())
def test_comparisons_with_constants_are_exact(sign: str, wanted: Fraction, swapped: bool) -> None:
    condition = compare(sign, constant(wanted), X) if swapped else compare(sign, X, constant(wanted))
    for x in range(-3, 5):
        sides = (wanted, x * Fraction(1, 2)) if swapped else (x * Fraction(1, 2), wanted)
        assert holds(condition, {"x": x}) == TESTS[sign](*sides)


def test_thresholds_stay_one_step_around_the_column() -> None:
    condition = compare(">=", X, constant(Fraction(10**30)))
    assert condition == Compare(operator=">=", left=X.expression, right=Literal(value=5))


def test_truth_of_conditions() -> None:
    assert bounds(truth(compare(">", X, Y)).expression) == (0, 1)
    assert truth(Known(value=True)).constant == 1


def test_a_choice_of_nothing_but_null_is_refused() -> None:
    with pytest.raises(ValueError, match="NULL"):
        choose([(Known(value=True), None)], None)


def test_integers_beyond_a_hundred_bits_are_refused() -> None:
    big = Numeric(expression=ColumnIndex(name="x", lower=0, upper=2**40), unit=Fraction(1))
    with pytest.raises(TooWideError):
        multiply(multiply(big, big), big)
    with pytest.raises(TooWideError):
        multiply(X, constant(Fraction(1, 10**60)))
