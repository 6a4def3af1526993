"""The demo's page, from made-up results: its words, narrow screens, paper."""

import re

import pytest

from analytics.mining.result import MiningResult, NamedRule
from analytics.results.result import Result
from federation.demo.hospitals import HOSPITALS, patients_of
from federation.demo.questions import ANSWERED, REFUSED
from federation.demo.report_sections import WORDS, write_page
from federation.demo.results import DemoResults

MEASURES = dict.fromkeys(("support", "confidence", "lift", "leverage", "conviction"), 0.5)
SECRECY = {"text": "secrecy threshold 3 of 4 sites; no helper takes part"}


class Around:
    def between(self, width):
        return (20.0 - 4 * width, 20.0 + 4 * width)


def answer(question):
    is_private = bool(question.epsilon)
    name = question.figure or "n"
    cost = {"mode": "private", "epsilon": "0.5", "delta": "0.000001", "relation": "add_or_remove_one"}
    cost |= {"privacy_unit": "row", "max_sites_per_unit": 1, "colluding": 1}
    exact = {"mode": "exact", "privacy_unit": "row", "minimum_cell": 10, "max_sites_per_unit": 1}
    return Result(
        columns=("age", "sex", name),
        kinds=("text", "text", "number"),
        rows=(("40 to 60", "<b>", 20.0), ("60 to 80", "M", 22.0)),
        errors=((None, None, 4.0 if is_private else 0.0),) * 2,
        intervals=((None, None, Around() if is_private else None),) * 2,
        keys=(0, 1),
        cost=cost if is_private else exact,
        receipt={
            "number": 3,
            "signed_by": ["a"],
            "sub_budget": "query",
            "charged": "0.5",
            "secrecy": SECRECY,
        },
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    rules = [
        NamedRule(antecedents=("a",), consequents=("b",), measures=MEASURES),
        NamedRule(antecedents=("b",), consequents=("a",), measures=MEASURES),
        NamedRule(antecedents=("c",), consequents=("a",), measures=MEASURES),
    ]
    row = {
        "population": "p",
        "sub_budget": "query",
        "purpose": "",
        "analyst": "",
        "allowance": "4",
        "epsilon": "2",
    }
    row |= {"delta": "0.000001", "fraction_spent": "0.125", "epsilon_spent": "0.7", "exact_disclosures": 2}
    row |= {"largest_epsilon_that_fits": "1.8"}
    results = DemoResults(
        answers={question.key: answer(question) for question in ANSWERED},
        refusals={question.key: "refused" for question in REFUSED},
        mined=MiningResult(found=(), found_rules=tuple(rules), n_rows=720, is_complete=True),
        explanation="plan " * 60,
        budget=[row],
    )
    path = tmp_path_factory.mktemp("demo") / "report.html"
    write_page(path, results, note="")
    return path.read_text()


def test_a_price_is_a_share_of_the_budget(page):
    assert (
        "This answer took 12 % of the query budget." in page
        or "This answer took 13 % of the query budget." in page
    )
    assert "at order" not in page
    assert "query: 12.5% spent" in page


def test_every_word_that_needs_one_has_a_sentence(page):
    for word, meaning in WORDS:
        assert f"<dt>{word}</dt><dd>" in page
        assert len(meaning.split()) > 3
    assert "guard 10 = minimum cell 10 x 1 site" in page


def test_hospitals_have_their_numbers_of_patients_and_no_process(page):
    assert sum(map(patients_of, HOSPITALS)) == 920
    for name in HOSPITALS:
        assert f"<td>{name}</td><td>{patients_of(name)}</td>" in page
    assert "<th>process</th>" not in page
    assert re.search(r"Made on \d{4}-\d\d-\d\d with crossward \d", page)


def test_of_each_itemset_one_rule_is_shown(page):
    assert page.count("<td>a</td><td>b</td>") == 1
    assert "<td>b</td><td>a</td>" not in page
    assert "<td>c</td><td>a</td>" in page


def test_pictures_say_what_they_draw_and_fit_a_narrow_screen(page):
    assert "with disease; the line on each bar is the 95 % interval" in page
    assert "svg { max-width: 100%; height: auto" in page
    for table in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        assert "<thead>" in table
    assert "white-space: pre-wrap" in page
    assert "&lt;b&gt;" in page
