"""Exact answers of one analyst that can be subtracted are marked for an auditor, and counted at each site for itself."""

import dataclasses
import json
import tomllib
from fractions import Fraction

import pandas as pd
import pytest

import crossward.audit  # before a test replaces what it takes from federation.audit
import federation
from federation.audit import account, exact_pairs, kept_texts
from federation.audit.exact_pairs import NOT_COMPARED, exact_requests, marks, small_differences
from privacy_accounting.audit.statement import statement
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from tests.cli.conftest import crossward as command
from tests.operations.operations_world import SITES

SCHEMA = """
[tables.visits]
privacy_unit = "row"
rows_max = 1000
max_sites_per_unit = 1
exact_dimensions = ["sex", "age", "ill"]

[tables.visits.columns]
age = { type = "numeric", lower = 0, upper = 120, resolution = 1, bins = [0, 40, 80, 120] }
sex = { type = "categorical", domain = [0, 1] }
ill = { type = "boolean" }
"""
TOTAL = "SELECT COUNT(*) AS n FROM visits"
SAME_PEOPLE = "SELECT COUNT(*) AS n, AVG(age) AS mean FROM visits"
BY_SEX = "SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex"
NOT_OLD = "SELECT COUNT(*) AS n FROM visits WHERE age < 80"
WOMEN, MEN = (f"{TOTAL} WHERE sex = {sex}" for sex in (0, 1))
FRAMES = {  # the attack: who is 80 or older are 4 at one site, 5 at another, none at the third; together below 10
    site: pd.DataFrame(
        {
            "age": [90 if place < old else 50 for place in range(120)],
            "sex": [place % 2 for place in range(120)],
            "ill": [place % 3 == 0 for place in range(120)],
        }
    )
    for site, old in zip(SITES, (4, 5, 0), strict=True)
}
ASKED = [TOTAL, BY_SEX, TOTAL, SAME_PEOPLE, NOT_OLD, WOMEN, MEN]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    stores = {name: SqliteStore(folder / f"{name}.sqlite", owner=name) for name in SITES}
    with federation.local(
        FRAMES,
        schema=tomllib.loads(SCHEMA),
        budget={"epsilon": "4", "query": {"share": "0.5"}, "mining": {"share": "0.5"}},
        stores=stores,
        deadline_s=10,
        engine="numpy",
    ) as session:
        for sql in ASKED:
            session.sql(sql, exact=True)
        session.sql(TOTAL, epsilon=0.5)
        session.table("visits").association_rules(
            ["ill", "sex=1"], min_support=Fraction(1, 10), min_confidence=Fraction(1, 2), exact=True
        )
        session.table("visits").chi_square("sex", "ill", exact=True)
        texts = session.nodes["anna"]._records.texts.page().texts
        lines = [kept_texts.text_line("anna", *pair) for pair in texts.items()]
        (folder / "texts.jsonl").write_text("\n".join(lines) + "\n")
        tables = {site: session.nodes[site]._sources for site in SITES}
        kept = kept_texts.load_texts([folder / "texts.jsonl"])
        asked = exact_requests(statement(folder / "anna.sqlite").lines, kept, session.consortium)
        reports = {site: small_differences(site, asked, tables[site]) for site in SITES}
        consortium = session.consortium
    return folder, consortium, asked, reports


def test_the_mark_names_the_earlier_answers_that_differ_and_no_others(world):
    _, _, asked, _ = world
    assert marks(asked) == {
        2: "entry 1",  # by sex, from the total
        3: "entry 2",  # the total again: not from the first total
        4: "entry 2",  # the total and the mean of the same people
        5: "entry 1, 2, 3, 4",
        6: "entry 1, 3, 4, 5",  # the women alone are a cell of entry 2, and overlap with those below 80
        7: "entry 1, 3, 4, 5",  # the men are apart from the women
        9: NOT_COMPARED,  # mining
        10: "entry 1, 2, 3, 4, 5, 6, 7",
    }


def test_the_statement_holds_the_marks_and_no_count(world):
    """An auditor sees structure alone: a count of one site would be data."""
    folder, consortium, asked, _ = world
    kept = kept_texts.load_texts([folder / "texts.jsonl"])
    report = account.account_of(statement(folder / "anna.sqlite"), kept, consortium=consortium)
    found = {line.number: line.differs_from for line in report.lines if line.differs_from}
    assert found == marks(asked)
    without = account.account_of(statement(folder / "anna.sqlite"), kept)
    assert {line.differs_from for line in without.lines} == {""}


def test_the_page_holds_the_marks_too(world, tmp_path, monkeypatch):
    folder, consortium, _, _ = world
    monkeypatch.setattr(federation.audit, "load_consortium", lambda path: consortium)
    page = tmp_path / "page.html"
    ledger, texts = folder / "anna.sqlite", [folder / "texts.jsonl"]
    assert crossward.audit.report(ledger, page, texts=texts, consortium="any") == ""
    text = page.read_text()
    assert "can be subtracted from entry 1, 2, 3, 4<" in text
    assert NOT_COMPARED in text
    assert crossward.audit.report(ledger, page, texts=texts) == ""
    assert "can be subtracted" not in page.read_text()


def test_each_site_finds_its_own_part_of_a_small_difference(world):
    """Nine people are 80 or older. The two sites that have some of them find them; the third has none to protect."""
    _, _, _, reports = world
    for site, old in zip(SITES, (4, 5, 0), strict=True):
        found = [each for each in reports[site].small if each.second == 5 and each.kind == "difference"]
        totals = {(each.first, each.people) for each in found if each.first_cell == "all"}
        assert totals == ({(1, old), (4, old)} if old else set())  # entry 3 is the question of entry 1
        assert all(0 < each.people < each.threshold == 10 for each in reports[site].small)
        assert reports[site].not_compared == [9]
    assert "age < 80" in reports["anna"].small[0].second_question + reports["anna"].small[0].first_question


def test_equal_populations_are_never_a_finding(world):
    _, _, _, reports = world
    pairs = {(each.first, each.second) for report in reports.values() for each in report.small}
    assert not pairs & {(1, 3), (1, 4), (3, 4), (6, 7)}


def test_only_one_analyst_s_answers_are_compared(world):
    _, _, asked, _ = world
    others = [dataclasses.replace(each, analyst=f"a{each.number}") for each in asked]
    assert set(marks(others).values()) == {NOT_COMPARED}


def test_a_missing_text_is_said_and_not_left_out(world):
    folder, consortium, _, _ = world
    kept = kept_texts.load_texts([folder / "texts.jsonl"])
    line = statement(folder / "anna.sqlite").lines[5]
    del kept.texts[line.request]
    asked = exact_requests(statement(folder / "anna.sqlite").lines, kept, consortium)
    assert marks(asked)[5] == NOT_COMPARED
    assert marks(asked)[6] == "entry 1, 3, 4"


def test_beyond_the_limit_of_pairs_different_answers_count_as_differing(world, monkeypatch):
    """The attack: ask so much that nothing is compared any more."""
    _, _, asked, _ = world
    monkeypatch.setattr(exact_pairs, "MOST_COMPARED", 0)
    found = marks(asked)
    assert found[7] == "entry 1, 2, 3, 4, 5, 6"
    assert found[3] == "entry 2"  # what has the same form needs no comparison
    report = small_differences("anna", asked, {})
    assert report.small == []
    assert report.not_compared == [9, 2, 3, 4, 5, 6, 7, 10]


def test_commands_of_an_administrator_on_a_folder(world, monkeypatch):
    """The command reads site file, ledger, texts and rows; here its parts are those of this module."""
    _, _, _, reports = world
    monkeypatch.setattr(federation.audit, "differences", lambda site: reports[site.name])
    shown = command("audit", "differences", "bert")
    assert shown.code == 1
    assert "few people of bert between them" in shown.out
    assert "entry 9: not compared" in shown.out
    rows = json.loads(command("audit", "differences", "bert", "--json").out)["small"]
    assert {row["people"] for row in rows if row["kind"] == "difference"} >= {5}
    assert command("audit", "differences", "bert", "--csv").out.startswith("analyst,first,second,kind")
    assert list(reports["bert"].frame["people"]) == [row["people"] for row in rows]
    calm = exact_pairs.DifferenceReport(site="carl", pairs=3)
    monkeypatch.setattr(federation.audit, "differences", lambda site: calm)
    told = command("audit", "differences", "carl")
    assert (told.code, told.out) == (
        0,
        "3 pair(s) of exact answers compared, 0 small difference(s) at carl, by its rows as they are now\n",
    )
    assert crossward.audit.differences is not None
