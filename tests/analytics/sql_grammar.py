"""Random expressions and conditions as trees: their SQL text, and their values in plain fractions, independent of our planner."""

import operator
from fractions import Fraction
from itertools import product
from typing import Any

import pandas as pd
from hypothesis import strategies as st

HIGH = 2**40
WORDS = ("red", "a%b", "ü_")
CODES = (-HIGH, 7, HIGH)
COLUMNS = {
    "w": {"type": "numeric", "lower": -HIGH, "upper": HIGH, "resolution": 1, "nullable": True},
    "f": {"type": "numeric", "lower": -3, "upper": 5, "resolution": "0.5", "nullable": True},
    "m": {"type": "numeric", "lower": "-0.03", "upper": "900.03", "resolution": "0.03"},
    "d": {"type": "boolean", "nullable": True},
    "k": {"type": "categorical", "domain": list(WORDS), "nullable": True},
    "c": {"type": "categorical", "domain": list(CODES), "nullable": True},
}
CORNERS: dict[str, tuple[Any, ...]] = {
    "w": (Fraction(-HIGH), Fraction(HIGH), None),
    "f": (Fraction(-3), Fraction(5), None),
    "m": (Fraction(-3, 100), Fraction("900.03")),
    "d": (True, False, None),
    "k": (*WORDS, None),
    "c": (*CODES, None),
}
COMPARISONS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "<>": operator.ne,
}  # fmt: skip
CONSTANTS = (
    "0",
    "1",
    "2",
    "7",
    "100000",
    "812.35",
    "0.07",
    "1e9",
    "2147483647",
    "2147483648",
    "1099511627776",
)
PATTERNS = {"r%": 1, "%": 7, "%!%%": 0, "a_b": 2, "__": 4, "": 0, "%e%": 1}  # bits: which of WORDS match


def rows() -> list[dict[str, Any]]:
    """A row for every combination of the corners of the domain but those of c, which take turns."""
    names = ["w", "f", "m", "d", "k"]
    corners = product(*(CORNERS[name] for name in names))
    return [
        dict(zip(names, row, strict=True)) | {"c": CORNERS["c"][number % 4]}
        for number, row in enumerate(corners)
    ]


def frame(found: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows as a site has them."""

    def column(name: str) -> list[Any]:
        return [row[name] for row in found]

    numbers = {name: [None if x is None else float(x) for x in column(name)] for name in ("w", "f", "m")}
    return pd.DataFrame(
        {name: pd.array(values, dtype="Float64") for name, values in numbers.items()}
        | {"d": pd.array(column("d"), dtype="boolean"), "k": pd.Series(column("k"), dtype="object")}
        | {"c": pd.array(column("c"), dtype="Int64")}
    )


def numbers(depth: int) -> st.SearchStrategy[tuple[Any, ...]]:
    leaf = st.sampled_from(
        [("column", name) for name in "wfm"] * 3 + [("constant", text) for text in CONSTANTS]
    )
    if depth == 0:
        return leaf
    inner, condition = numbers(depth - 1), conditions(depth - 1)
    values = st.none() | inner
    branches = st.lists(st.tuples(condition, values), min_size=1, max_size=2).map(tuple)
    return st.one_of(
        leaf,
        st.tuples(st.sampled_from(["+", "-", "*"]), inner, inner),
        st.tuples(st.sampled_from(["+", "-", "*"]), inner, inner),
        st.tuples(st.just("minus"), inner),
        st.tuples(st.just("truth"), condition),
        st.tuples(st.just("case"), branches, inner),
        st.tuples(st.just("case"), st.tuples(st.tuples(condition, inner)), values),
        st.tuples(st.just("switch"), inner, inner, inner, values),
    )


def conditions(depth: int) -> st.SearchStrategy[tuple[Any, ...]]:
    leaf = st.one_of(
        st.just(("flag",)),
        st.tuples(st.just("word"), st.sampled_from(["=", "<>"]), st.sampled_from(WORDS)),
        st.tuples(st.just("code"), st.sampled_from(["=", "<>", "<", ">="]), st.sampled_from(CODES)),
        st.tuples(st.just("like"), st.sampled_from(sorted(PATTERNS))),
        st.tuples(st.just("null"), st.sampled_from("wfdkc"), st.booleans()),
    )
    if depth == 0:
        return leaf
    inner, number = conditions(depth - 1), numbers(depth - 1)
    constants = st.lists(st.sampled_from(CONSTANTS), min_size=1, max_size=3).map(tuple)
    return st.one_of(
        leaf,
        st.tuples(st.just("compare"), st.sampled_from(sorted(COMPARISONS)), number, number),
        st.tuples(st.just("compare"), st.sampled_from(sorted(COMPARISONS)), number, number),
        st.tuples(st.just("between"), number, number, number),
        st.tuples(st.just("in"), number, constants),
        st.tuples(st.just("is"), inner, st.booleans()),
        st.tuples(st.just("not"), inner),
        st.tuples(st.just("and"), inner, inner),
        st.tuples(st.just("or"), inner, inner),
    )


def text(tree: Any) -> str:
    """The SQL of a tree."""
    match tree:
        case None:
            return "NULL"
        case ("column", name):
            return str(name)
        case ("constant", written):
            return str(written)
        case ("+" | "-" | "*" | "and" | "or" as sign, left, right):
            return f"({text(left)} {sign} {text(right)})"
        case ("minus", inner):
            return f"(-{text(inner)})"
        case ("truth", condition):
            return f"({text(condition)})"
        case ("case", branches, default):
            pairs = " ".join(f"WHEN {text(condition)} THEN {text(value)}" for condition, value in branches)
            return f"CASE {pairs} ELSE {text(default)} END"
        case ("switch", operand, wanted, yes, no):
            return f"CASE {text(operand)} WHEN {text(wanted)} THEN {text(yes)} ELSE {text(no)} END"
        case ("flag",):
            return "d"
        case ("word", sign, word):
            return f"(k {sign} '{word}')"
        case ("code", sign, code):
            return f"(c {sign} {code})"
        case ("like", pattern):
            return f"(k LIKE '{pattern}')"
        case ("null", name, wanted):
            return f"({name} IS {'' if wanted else 'NOT '}NULL)"
        case ("compare", sign, left, right):
            return f"({text(left)} {sign} {text(right)})"
        case ("between", value, low, high):
            return f"({text(value)} BETWEEN {text(low)} AND {text(high)})"
        case ("in", value, constants):
            return f"({text(value)} IN ({', '.join(constants)}))"
        case ("is", condition, wanted):
            return f"({text(condition)} IS {'TRUE' if wanted else 'FALSE'})"
        case ("not", condition):
            return f"(NOT {text(condition)})"
    raise AssertionError(tree)


def value(tree: Any, row: dict[str, Any]) -> Fraction | None:
    """A number in one row, NULL as None."""
    match tree:
        case None:
            return None
        case ("column", name):
            return row[name]
        case ("constant", written):
            return Fraction(written)
        case ("+" | "-" | "*" as sign, left, right):
            a, b = value(left, row), value(right, row)
            action = {"+": operator.add, "-": operator.sub, "*": operator.mul}[sign]
            return None if a is None or b is None else action(a, b)
        case ("minus", inner):
            a = value(inner, row)
            return None if a is None else -a
        case ("truth", condition):
            found = holds(condition, row)
            return None if found is None else Fraction(found)
        case ("case", branches, default):
            for condition, chosen in branches:
                if holds(condition, row):
                    return value(chosen, row)
            return value(default, row)
        case ("switch", operand, wanted, yes, no):
            return value(yes if _compared("=", value(operand, row), value(wanted, row)) else no, row)
    raise AssertionError(tree)


def holds(tree: Any, row: dict[str, Any]) -> bool | None:
    """A condition in one row, NULL as None."""
    match tree:
        case ("flag",):
            return row["d"]
        case ("word", sign, word):
            return None if row["k"] is None else COMPARISONS[sign](row["k"], word)
        case ("code", sign, code):
            return None if row["c"] is None else COMPARISONS[sign](row["c"], code)
        case ("like", pattern):
            return None if row["k"] is None else bool(PATTERNS[pattern] >> WORDS.index(row["k"]) & 1)
        case ("null", name, wanted):
            return (row[name] is None) == wanted
        case ("compare", sign, left, right):
            return _compared(sign, value(left, row), value(right, row))
        case ("between", middle, low, high):
            number = value(middle, row)
            return _and(_compared(">=", number, value(low, row)), _compared("<=", number, value(high, row)))
        case ("in", member, constants):
            number = value(member, row)
            return None if number is None else number in {Fraction(each) for each in constants}
        case ("is", condition, wanted):
            return holds(condition, row) is wanted
        case ("not", condition):
            found = holds(condition, row)
            return None if found is None else not found
        case ("and", left, right):
            return _and(holds(left, row), holds(right, row))
        case ("or", left, right):
            a, b = (holds(side, row) for side in (left, right))
            found = _and(None if a is None else not a, None if b is None else not b)
            return None if found is None else not found
    raise AssertionError(tree)


def _compared(sign: str, left: Fraction | None, right: Fraction | None) -> bool | None:
    return None if left is None or right is None else COMPARISONS[sign](left, right)


def _and(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True
