"""Answers, sessions and tables as a Python prompt and a notebook show them."""

import json
from html.parser import HTMLParser

import pandas as pd
import pytest

import crossward
from analytics.errors import InvalidRequestError
from analytics.mining.result import FrequentItemset, MiningResult, NamedRule
from analytics.results.result import Result
from analytics.statistics.tables.chi_square_answer import ChiSquareAnswer
from analytics.text_tables import MOST_ROWS, as_html, as_text
from federation.requests.explanation import Explanation

SCHEMA = {
    "tables": {
        "visits": {
            "privacy_unit": "row",
            "rows_max": 100,
            "columns": {
                "age": {"type": "numeric", "lower": 0, "upper": 110, "resolution": 1, "unit": "a"},
                "sex": {"type": "categorical", "domain": ["F", "M"]},
            },
        }
    }
}
ROWS = pd.DataFrame({"age": [40, 50], "sex": ["F", "M"]})


class Around:
    def between(self, width):
        return (10.0 - width, 10.0 + width)


def result(**changes):
    given = {
        "columns": ("sex", "n"),
        "kinds": ("text", "number"),
        "rows": (("<b>F", 10.25), ("M", None)),
        "errors": ((None, 2.0), (None, None)),
        "intervals": ((None, Around()), (None, None)),
        "keys": (0,),
        "suppressed": ((1, "n"),),
        "cost": {"mode": "private", "epsilon": "0.5", "delta": "0.000001"},
    }
    return Result(**given | changes)


def mined(n=1):
    rule = NamedRule(
        antecedents=("a",), consequents=("b",), measures={"support": 0.5, "confidence": 0.75, "lift": 1.5}
    )
    return MiningResult(
        found=(FrequentItemset(items=("a",), count=4, support=0.5),),
        found_rules=(rule,) * n,
        n_rows=8,
        is_complete=True,
    )


def chi(**changes):
    given = {
        "statistic": 1.5,
        "pvalue": 0.25,
        "dof": 1,
        "observed": ((1.0, 2.0), (3.0, 4.0)),
        "labels": (("x", "y"), ("t", "f")),
    }
    return ChiSquareAnswer(**given | changes)


class Words(HTMLParser):
    def __init__(self):
        super().__init__()
        self.words, self.tags = [], []

    def handle_data(self, data):
        self.words.append(data)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)


def read(html):
    parser = Words()
    parser.feed(html)
    return parser


@pytest.fixture(scope="module")
def session():
    with crossward.local(
        dict.fromkeys(("anna", "bert", "carl"), ROWS), schema=SCHEMA, engine="numpy"
    ) as opened:
        yield opened


def test_reprs_are_one_short_line(session):
    shown = Explanation(text="first\nsecond", shape={})
    for value in (result(), mined(500), chi(), session, shown):
        assert len(repr(value)) < 200
        assert "\n" not in repr(value)
    assert repr(result()) == "<Result: 2 rows of sex, n; private: epsilon 0.5 at delta 0.000001>"
    assert repr(shown) == "<Explanation: first>"
    assert "statistic 1.5" in repr(chi())
    assert repr(chi(closed="minimum_cell")) == "<ChiSquareAnswer: closed: minimum_cell; an exact disclosure>"


def test_a_private_figure_is_never_shown_without_its_noise():
    for text in (str(result()), result()._repr_html_()):
        assert "10.25 ± 2" in text
        assert "suppressed" in text
        assert "epsilon 0.5" in text


def test_html_is_escaped_and_holds_the_cells():
    parser = read(result()._repr_html_())
    assert "b" not in parser.tags
    assert "<b>F" in parser.words
    assert {"x", "y", "t", "f", "4"} <= set(read(chi()._repr_html_()).words)
    assert "pvalue: 0.25" in read(chi()._repr_html_()).words
    assert "if" in read(mined()._repr_html_()).words
    assert "1.5" in str(mined())


def test_long_tables_are_cut_and_say_so():
    rows = [[n] for n in range(MOST_ROWS + 5)]
    for text in (as_text(["n"], rows), as_html(["n"], rows)):
        assert "and 5 more rows" in text
        assert str(MOST_ROWS + 4) not in text.replace("5 more", "")


def test_characters_that_do_not_print_are_replaced():
    assert "\x1b" not in as_text(["a\x1b[2J"], [["\x07"]], ["\x1b"])


def test_a_spreadsheet_marks_suppressed_cells_and_leaves_missing_ones_empty():
    names, rows = result().spreadsheet()
    assert names == ["sex", "n", "n sd", "n low", "n high", "flags"]
    assert rows[0][:3] == ["<b>F", 10.25, 2.0]
    assert rows[0][3] < 10.25 < rows[0][4]
    assert rows[1] == ["M", None, None, None, None, "n: suppressed"]


def test_intervals_keep_their_groups():
    assert result().interval()["sex"].tolist() == ["<b>F", "M"]


def test_a_session_lists_its_tables_columns_and_domains(session):
    assert list(session.tables) == ["visits"]
    assert session.tables["visits"].columns["age"].upper == 110
    assert len(session.tables) == 1
    frame = session.tables.frame
    assert frame["values"].tolist() == ["0 to 110 a", "F, M"]
    for text in (
        repr(session.tables),
        session.tables._repr_html_(),
        repr(session.table()),
        session._repr_html_(),
    ):
        assert "0 to 110 a" in text
        assert "privacy unit: one row" in text
    assert "anna, bert, carl" in repr(session)
    assert json.dumps(session.tables.rows())


def test_the_only_table_needs_no_name(session):
    assert session.table().name == "visits"
    with pytest.raises(InvalidRequestError):
        session.table("none")


def test_a_statistic_that_is_not_there_is_named_with_what_is_meant(session):
    with pytest.raises(AttributeError, match="no statistic chisquare; did you mean chi_square"):
        session.table().chisquare("a", "b")
    with pytest.raises(AttributeError, match=r"no statistic zzzz; there are .*kaplan_meier"):
        session.table().zzzz("a")


def test_tab_completion_of_a_table_has_the_statistics(session):
    from analytics.statistics.registry import STATISTICS

    assert set(dir(session.table())) >= set(STATISTICS)
    assert "tables" in dir(session)
