"""``crossward quality`` and ``--require``: a site's own score card, shares over all sites, a question that waits for good data."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest

from federation.cli.questions import analyst, stats
from tests.cli.conftest import crossward, make_folder

sys.path.insert(0, str(Path(__file__).parents[2] / "federation"))
from hospitals import BUDGET, files, in_threads


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("quality") / "here")


def test_a_site_sees_its_own_faults_and_what_mends_them(folders, tmp_path):
    site, rules = folders.root / "sites" / "bert", tmp_path / "quality.toml"
    good = crossward("quality", "--site", site)
    assert (good.code, good.err) == (0, "")
    assert "no check failed" in good.out
    rules.write_text("version = 1\n[tables.visits.columns.chol]\nhigh = 500\n")
    told = crossward("quality", "--site", site, "--rules", rules, "--html", tmp_path / "card.html")
    assert told.code == 1, told.err
    assert "a value above 500" in told.out
    assert "range = {low = 0, high = 500}" in told.out
    assert (tmp_path / "card.html").read_text("utf-8").startswith("<!doctype html>")
    document = crossward("quality", "--site", site, "--rules", rules, "--json", "--table", "visits")
    assert document.code == 1
    (card,) = json.loads(document.out)
    assert [(each["check"], each["column"]) for each in card["checks"] if each["state"] == "failed"] == [
        ("plausibleValueHigh", "chol")
    ]


def test_a_wrong_file_of_thresholds_and_a_wrong_table_are_told(folders, tmp_path):
    site = folders.root / "sites" / "anna"
    (tmp_path / "quality.toml").write_text("version = 1\n[shares]\nmissed = 1\n")
    told = crossward("quality", "--site", site, "--rules", tmp_path / "quality.toml")
    assert told.code == 1
    assert "nearest: missing" in told.err
    assert "no table other" in crossward("quality", "--site", site, "--table", "other").err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--site", "x", "-c", "y"),
        ("--site", "x", "--epsilon", "1"),
        ("--site", "x", "--columns", "a"),
        ("-c", "y", "--epsilon", "1", "--html", "z.html"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(arguments):
    assert crossward("quality", *arguments).code == 2


@pytest.fixture(scope="module")
def session():
    with in_threads(budget={**BUDGET, "epsilon": "8"}) as opened:
        yield opened


@pytest.fixture
def ask(session, monkeypatch, tmp_path):
    for module in (analyst, stats):
        monkeypatch.setattr(module, "open_session", lambda *_: nullcontext(session))
    return lambda *arguments: crossward(*arguments, "-c", tmp_path)


@pytest.fixture(scope="module")
def pooled():
    return pd.concat([pd.read_csv(path).apply(pd.to_numeric, errors="coerce") for path in files().values()])


def test_all_sites_together_give_shares(ask, pooled):
    told = ask("quality", "--epsilon", "1", "--columns", "chol", "--json")
    assert told.code == 0, told.err
    ((line,), known) = json.loads(told.out)["columns"], (pooled.chol.fillna(0) > 0).mean()
    assert abs(line["completeness"] - known) < 0.1
    explained = ask("quality", "--exact", "--explain")
    assert "guard, on shares" in explained.out


QUESTION = "SELECT COUNT(*) AS n FROM patients"


def spent(session):
    return [row["spent"] for row in session.budget_rows()]


def test_a_question_waits_for_its_requirement(ask, session):
    gate = ("--require", "completeness(chol) >= 0.5", "--require-epsilon", "0.5")
    told = ask("query", QUESTION, "--epsilon", "0.5", *gate)
    assert told.code == 0, told.err
    assert "met, at 95 % confidence; cost: epsilon 0.5" in told.err
    before = spent(session)
    missed = ask(
        "query",
        QUESTION,
        "--epsilon",
        "0.5",
        "--require",
        "completeness(chol) >= 0.99",
        "--require-epsilon",
        "0.5",
    )
    assert missed.code == 3
    assert "is not met" in missed.err
    assert not missed.out
    assert spent(session) != before  # the release of the requirement, and nothing besides
    between = spent(session)
    explained = ask("query", QUESTION, "--epsilon", "0.5", "--explain", *gate)
    assert "then, if it is met" in explained.out
    assert explained.out.count("epsilon 0.5") >= 2
    shown = json.loads(ask("query", QUESTION, "--epsilon", "0.5", "--explain", "--json", *gate).out)
    assert "first" in shown
    assert spent(session) == between


def test_an_exact_requirement_is_guarded_and_fails_closed(ask):
    told = ask("query", QUESTION, "--exact", "--require", "completeness(chol) >= 0.5")
    assert told.code == 0, told.err
    closed = ask("query", QUESTION, "--exact", "--require", "completeness(age) >= 0.1")  # no age is missing
    assert closed.code == 3
    assert "closed or undefined" in closed.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--require", "completeness(chol) >= 0.5"), "needs --require-epsilon"),
        (("--require-epsilon", "1"), "no meaning without --require"),
        (("--require", "chol > 3", "--require-epsilon", "1"), "must be like"),
        (("--require", "completeness(nothing) >= 0.5", "--require-epsilon", "1"), "no table has"),
        (("--require", "completeness(chol) >= 0.5", "--require-epsilon", "0"), "above 0"),
    ],
)
def test_a_wrong_requirement_is_wrong_usage(ask, session, arguments, text):
    before = spent(session)
    told = ask("query", QUESTION, "--epsilon", "1", *arguments)
    assert told.code == 2
    assert text in told.err
    assert spent(session) == before


def test_a_failed_release_lets_nothing_through(session):
    from crossward.errors import BudgetExceededError, RequirementNotMetError

    table = session.table("patients")
    before = spent(session)
    with pytest.raises(BudgetExceededError):
        table.require("completeness(chol) >= 0.1", epsilon=25)
    assert spent(session) == before
    answer = table.quality(["chol"], exact=True)
    assert table.require("completeness(chol) >= 0.5", earlier=answer) is answer
    with pytest.raises(RequirementNotMetError):
        table.require(["completeness(chol) >= 0.5", "completeness(age) >= 0.5"], earlier=answer)
