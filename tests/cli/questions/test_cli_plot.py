"""``--plot``: a picture beside the answer; what cannot be drawn is refused before anything is asked."""

import sys
from contextlib import nullcontext
from importlib import util
from pathlib import Path

import pytest

from federation.cli.questions import analyst, picture_file, stats
from federation.display.accuracy import QuotedAccuracy
from tests.cli.conftest import crossward

sys.path.insert(0, str(Path(__file__).parents[2] / "federation"))
from hospitals import BUDGET, in_threads

pytest.importorskip("matplotlib")
SQL = "SELECT sex, COUNT(*) FROM patients GROUP BY sex"


@pytest.fixture(scope="module")
def session():
    with in_threads(budget={**BUDGET, "epsilon": "4"}) as opened:
        yield opened


@pytest.fixture
def ask(session, monkeypatch, tmp_path):
    for command in (analyst, stats):
        monkeypatch.setattr(command, "open_session", lambda *_: nullcontext(session))
    (tmp_path / "consortium.toml").touch()
    return lambda *arguments: crossward(*arguments, "-c", tmp_path / "consortium.toml")


def spent(session):
    return [row["spent"] for row in session.budget_rows()]


@pytest.mark.parametrize(("ending", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_picture_lies_beside_the_answer(ask, tmp_path, ending, start):
    target = tmp_path / f"picture.{ending}"
    told = ask("query", SQL, "--epsilon", "0.2", "--plot", target)
    assert told.code == 0, told.err
    assert "COUNT(*)" in told.out
    assert target.read_bytes().startswith(start)


def test_a_statistic_is_drawn(ask, tmp_path):
    target = tmp_path / "table.svg"
    told = ask("stats", "crosstab", "a=sex", "b=disease", "--epsilon", "0.2", "--plot", target, "--json")
    assert told.code == 0, told.err
    assert "disease" in target.read_text("utf-8")


def test_nothing_is_asked_for_a_picture_that_cannot_be_written(ask, session, tmp_path, monkeypatch):
    before = spent(session)
    for target, text in (
        (tmp_path / "picture.gif", "ends with .svg, .png, .pdf"),
        (tmp_path / "none" / "picture.svg", "nothing was asked"),
    ):
        told = ask("query", SQL, "--epsilon", "0.2", "--plot", target)
        assert told.code == 2
        assert text in told.err
    monkeypatch.setattr(picture_file, "find_spec", lambda _: None)
    told = ask("query", SQL, "--epsilon", "0.2", "--plot", tmp_path / "picture.svg")
    assert (told.code, "pip install" in told.err) == (2, True)
    assert spent(session) == before
    assert util.find_spec("matplotlib")


def test_an_answer_without_a_picture_is_shown_all_the_same(ask, tmp_path):
    target = tmp_path / "picture.svg"
    told = ask("stats", "quantile", "column=age", "q=0.5", "--epsilon", "0.2", "--plot", target)
    assert told.code == 2
    assert "age" in told.out or "bin" in told.out
    assert "has nothing to draw" in told.err
    assert not target.exists()


def test_quotes_draw_accuracy_over_epsilon_and_spend_nothing(ask, session, tmp_path):
    before, target = spent(session), tmp_path / "curve.svg"
    shown = ask(
        "quote",
        "SELECT COUNT(*) AS n, AVG(age) AS a FROM patients",
        "--expected-units",
        "500",
        "--plot",
        target,
    )
    assert shown.code == 0, shown.err
    assert {"epsilon", "noise keeps within, at 95 %"} <= set(texts_of(target))
    only = tmp_path / "one.svg"
    for words in (("--epsilon", "1"), ("--within", "20")):
        refused = ask("quote", "SELECT COUNT(*) AS n FROM patients", *words, "--plot", only)
        assert (refused.code, "several epsilons" in refused.err, only.exists()) == (2, True, False), (
            refused.err
        )
    refused = ask("quote", "SELECT STDDEV_SAMP(age) AS d FROM patients", "--plot", only)
    assert (refused.code, "nothing to show" in refused.err, only.exists()) == (2, True, False)
    assert spent(session) == before


def test_the_curve_of_a_quote_holds_what_its_rows_say(session):
    rows = session.quote([SQL, "SELECT COUNT(*) AS n FROM patients"], epsilon=[2, "0.5", 1])
    picture = QuotedAccuracy(rows).picture()
    assert [list(curve.x) for curve in picture.curves] == [[0.5, 1, 2]] * 2
    for curve, some in zip(picture.curves, (rows[:3], rows[3:]), strict=True):
        by_epsilon = {float(row["asked_epsilon"]): next(iter(row["accuracy"].values())) for row in some}
        assert list(curve.y) == [by_epsilon[epsilon] for epsilon in curve.x]
        assert list(curve.y) == sorted(curve.y, reverse=True)


def texts_of(target):
    """Texts of a picture as matplotlib notes them beside their outlines."""
    return [
        line.strip()[5:-4]
        for line in target.read_text("utf-8").splitlines()
        if line.strip().startswith("<!-- ")
    ]
