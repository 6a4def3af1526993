"""Every check before the charge has bounded work, and any text gives a plan or a refusal."""

import fnmatch
import re
import string
from contextlib import suppress
from fractions import Fraction
from functools import reduce
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError
from analytics.plans import local_query
from analytics.plans.plan import PlanContext, make_plan
from analytics.plans.question import bind
from analytics.schema import Schema
from analytics.sql import parse, scope
from analytics.sql.terms.extent import MAX_SIZE
from analytics.sql.text import MAX_TOKENS, QuestionText
from analytics.sql.wildcards import Wildcards
from tests.analytics import sql_grammar as grammar

LONG = [f"{number:04d}" + "ab" * 98 for number in range(10_000)]  # the longest domain of the longest texts
SCHEMA = Schema.from_dict(
    {
        "tables": {
            "t": {
                "privacy_unit": "row",
                "rows_max": 1000,
                "exact_dimensions": ["d", "k", "n"],
                "columns": grammar.COLUMNS
                | {"long": {"type": "categorical", "domain": LONG}}
                | {
                    "n": {
                        "type": "numeric",
                        "lower": 0,
                        "upper": 1000,
                        "resolution": 1,
                        "bins": list(range(1001)),
                    }
                },
            }
        }
    }
)
CONTEXT = PlanContext(
    n_sites=3, colluding=1, relation="add_or_remove_one", delta=Fraction(1, 10**6), minimum_cell=10
)
REFUSALS = (PlanRejectedError, OverflowRiskError, InvalidRequestError)


def private(sql: str) -> Any:
    return make_plan(bind(sql, SCHEMA), mode="private", epsilon=Fraction(1), context=CONTEXT)


def refused(sql: str) -> PlanRejectedError:
    with pytest.raises(PlanRejectedError) as caught:
        private(sql)
    return caught.value


# LIKE


def plainly(pattern: str, text: str) -> bool:
    """LIKE as a table of which prefix matches which, the textbook's way."""
    row = [True] + [False] * len(text)
    for sign in pattern:
        previous, row = row, [sign == "%" and row[0]] + [False] * len(text)
        for place, character in enumerate(text, 1):
            if sign == "%":
                row[place] = row[place - 1] or previous[place]
            else:
                row[place] = previous[place - 1] and sign in {"_", character}
    return row[-1]


@settings(max_examples=200, deadline=None)
@given(st.text("ab%_.*\n", max_size=9), st.text("ab%_.*\n", max_size=9))
def test_law_like_matches_as_the_textbook_does(pattern: str, text: str) -> None:
    assert Wildcards.of(pattern).match(text) == plainly(pattern, text)
    translated = "".join({"%": "*", "_": "?"}.get(sign, f"[{sign}]") for sign in pattern)
    assert Wildcards.of(pattern).match(text) == fnmatch.fnmatchcase(text, translated)


class Counted(str):
    """A text that counts how often its characters are looked at."""

    __slots__ = ("looked",)

    def __iter__(self) -> Any:
        self.looked = 0
        for character in str(self):
            self.looked += 1
            yield character


@pytest.mark.parametrize("pattern", ["%a" * 90 + "%c", "%_a" * 60 + "c", "%" * 9_000, "a%" * 95])
def test_a_pattern_of_many_wildcards_looks_at_each_character_once(pattern: str) -> None:
    """The attack: 34 seconds of backtracking before any charge."""
    text = Counted("a" * 200)
    Wildcards.of(pattern).match(text)
    assert text.looked <= 200


def test_a_query_reads_a_bounded_part_of_its_domains() -> None:
    one = f"long LIKE '{'%a_b' * 40}%'"
    private(f"SELECT COUNT(*) FROM t WHERE {one}")
    error = refused(f"SELECT COUNT(*) FROM t WHERE {' AND '.join([one] * 3)}")
    assert (str(scope.MAX_WORK) in error.reason, error.position) == (
        True,
        "1:" + str(30 + 2 * (len(one) + 5)),
    )


def test_a_query_builds_bounded_domains() -> None:
    private("SELECT COUNT(*) FROM t WHERE long >= '5'")
    assert str(MAX_SIZE) in refused("SELECT COUNT(*) FROM t WHERE " + " OR ".join(["long >= '5'"] * 5)).reason
    many = ", ".join(
        f"SUM(CASE WHEN long >= '0' THEN {number + 2} ELSE 1 END) c{number}" for number in range(60)
    )
    with pytest.raises(InvalidRequestError, match=str(local_query.MAX_CHARACTERS)):
        private(f"SELECT {many} FROM t")


# the parser and the binder


def repeated(form: str, depth: int) -> str:
    return reduce(lambda inner, _: form.format(inner), range(depth), "n")


@pytest.mark.parametrize(
    "form",
    ["ARRAY[{}]", "STRUCT({})", "[{}]", "{{'a': {}}}", "MAP {{1: {}}}", "({})", "f({})", "CAST({} AS INT)", "n[{}]", "n IN ({})",
     "(SELECT {})", "CASE WHEN {} THEN 1 END", "CASE {} WHEN 1 THEN 1 END", "NOT {}", "-{}", "LIST({})", "DECIMAL({})"],
)  # fmt: skip
@pytest.mark.parametrize("depth", [13, 30, 300])
def test_an_ambiguous_text_is_parsed_in_few_steps(
    form: str, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack: ARRAY[ ARRAY[ ... took the parser twice as long with every level."""
    most = []
    honest = parse._BoundedParser._advance

    def counted(self: Any, times: int = 1) -> None:
        most[:] = [self.steps]
        honest(self, times)

    monkeypatch.setattr(parse._BoundedParser, "_advance", counted)
    with suppress(PlanRejectedError):
        bind(f"SELECT COUNT({repeated(form, depth)}) FROM t", SCHEMA)
    assert not most or most[0] <= parse.MAX_STEPS


def test_an_honest_question_of_the_largest_size_is_read() -> None:
    terms = " + ".join(["CASE WHEN n > 3 AND k = 'red' THEN 2 ELSE n END"] * 7)
    sql = "SELECT " + ", ".join(f"SUM({terms}) AS s{number}" for number in range(8)) + " FROM t"
    assert 0.8 * MAX_TOKENS < len(QuestionText.read(sql).tokens) <= MAX_TOKENS
    assert len(private(sql).blocks) == 1


@pytest.mark.parametrize(
    "form",
    [
        "({} BETWEEN 0 AND 1)",
        "({} IN (0, 1))",
        "CASE {} WHEN 0 THEN 1 WHEN 1 THEN 0 ELSE 5 END",
        "({0} + 0.5 * n)",
    ],
)
def test_an_expression_in_several_comparisons_is_bound_once(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack: each of 20 levels was bound once for every value that it is compared with."""
    calls = []
    honest = scope.Scope.use
    monkeypatch.setattr(scope.Scope, "use", lambda self, node: calls.append(1) or honest(self, node))
    for depth in (5, 10, 20, 25):
        calls.clear()
        with suppress(PlanRejectedError):
            bind(f"SELECT SUM({repeated(form, depth)}) FROM t", SCHEMA)
        assert 1 <= len(calls) <= depth + 1


@pytest.mark.parametrize(
    ("sql", "position"),
    [
        ("SELECT [COUNT(*), 2] FROM t", "1:9"),
        ("SELECT {'a': COUNT(*), 'b': 2} FROM t", "1:14"),
        ("SELECT n IS DISTINCT FROM w, COUNT(*) FROM t", "1:8"),
        ("SELECT FROM t", "1:1"),
        (f"SELECT COUNT(*) FROM t LIMIT {'9' * 5000}", "1:30"),
        ("SELECT COUNT(*) FROM t LIMIT '5'", "1:30"),
        ("SELECT COUNT(*) FROM t WHERE k = '\ud800'", "1:1"),
    ],
)
def test_invalid_texts_are_refused_with_their_position(sql: str, position: str) -> None:
    """The attack on the first: a foreign ValueError came through."""
    assert refused(sql).position == position


WORDS = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "BY",
    "ORDER",
    "LIMIT",
    "AND",
    "OR",
    "NOT",
    "IN",
    "IS",
    "NULL",
    "BETWEEN",
    "LIKE",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "COUNT",
    "SUM",
    "AVG",
    "STDDEV",
    "DISTINCT",
    "AS",
    "TRUE",
    "FALSE",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    ";",
    ":",
    "*",
    "+",
    "-",
    "/",
    "%",
    "<",
    ">",
    "=",
    "<>",
    "||",
    "'red'",
    "'%'",
    '"n"',
    "0",
    "1",
    "2.5",
    "1e9",
    "t",
    "n",
    "w",
    "f",
    "d",
    "k",
    "c",
    "HAVING",
    "OVER",
    "PARTITION",
    "FILTER",
    "WITH",
    "UNION",
    "JOIN",
    "ON",
    "USING",
    "CAST",
    "::",
    "INT",
    "ARRAY",
    "STRUCT",
    "->",
    "=>",
    ":=",
    "?",
    "$1",
    "@",
    "#",
    "EXISTS",
    "ALL",
    "ANY",
    "ASC",
    "DESC",
    "NULLS",
    "FIRST",
    "ROLLUP",
    "CUBE",
    "SETS",
    "INTERVAL",
    "DATE",
    "EXTRACT",
    "LATERAL",
    "UNNEST",
    "VALUES",
    "PIVOT",
    "SAMPLE",
    "QUALIFY",
    "WINDOW",
]
WHOLE = (
    "SELECT k, d, COUNT(*) AS n, AVG(n + 2) FROM t AS x WHERE n BETWEEN 3 AND 40 AND k LIKE 'r%' GROUP BY k, d ORDER BY 3 DESC LIMIT 5",
    "SELECT SUM(CASE WHEN w > 0.5 * f THEN n ELSE -n END) s, COUNT(DISTINCT d) FROM t WHERE NOT (c IN (7) OR k IS NULL)",
    "SELECT n, VARIANCE(m), STDDEV_POP(d) FROM t WHERE d IS NOT FALSE GROUP BY n",
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    words = re.findall(r"\w+|'[^']*'|[^\s\w]", draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(words) - 1))
        other = draw(st.sampled_from(WORDS) | st.sampled_from(words))
        match draw(st.sampled_from(["drop", "replace", "insert", "swap"])):
            case "drop" if len(words) > 1:
                del words[place]
            case "replace":
                words[place] = other
            case "swap":
                last = draw(st.integers(0, len(words) - 1))
                words[place], words[last] = words[last], words[place]
            case _:
                words.insert(place, other)
    return " ".join(words)


TEXTS = st.one_of(
    mutated(),
    mutated(),
    st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join).map("SELECT COUNT(*) {} FROM t".format),
    st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join).map("SELECT {} FROM t".format),
    st.text(string.printable, max_size=40).map("SELECT COUNT(*) FROM t WHERE {}".format),
    st.text(max_size=60),
)


def only_refusals(sql: str) -> None:
    for mode, epsilon in (("private", Fraction(1)), ("exact", None)):
        try:
            make_plan(bind(sql, SCHEMA), mode=mode, epsilon=epsilon, context=CONTEXT)  # type: ignore[arg-type]
            refusal: Exception | None = None
        except REFUSALS as error:
            refusal = error
        event(type(refusal).__name__)
        if isinstance(refusal, PlanRejectedError):
            assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", refusal.position), refusal.position


LAW = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much]}


@settings(max_examples=60, **LAW)
@given(TEXTS)
def test_law_only_refusals_come_out_of_any_text(sql: str) -> None:
    only_refusals(sql)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=20_000, **LAW)
@given(TEXTS)
def test_law_of_any_text_at_length(sql: str) -> None:
    only_refusals(sql)
