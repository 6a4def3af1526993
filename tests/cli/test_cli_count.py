"""``crossward count``: how many match, private or exact, and the price of asking."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest

from federation.cli import analyst
from federation.cli import count as command
from tests.cli.conftest import crossward

sys.path.insert(0, str(Path(__file__).parents[1] / "federation"))
from hospitals import BUDGET, files, in_threads

from federation.consortium import consortium_file


@pytest.fixture(scope="module")
def session():
    with in_threads(budget={**BUDGET, "epsilon": "8"}) as opened:
        yield opened


@pytest.fixture
def ask(session, monkeypatch, tmp_path):
    monkeypatch.setattr(analyst, "open_session", lambda *_: nullcontext(session))
    monkeypatch.setattr(consortium_file, "load_consortium", lambda _: session.consortium)
    (tmp_path / "consortium.toml").touch()
    return lambda *arguments: crossward("count", *arguments, "-c", tmp_path / "consortium.toml")


@pytest.fixture(scope="module")
def pooled():
    return pd.concat([pd.read_csv(path).apply(pd.to_numeric, errors="coerce") for path in files().values()])


def test_an_exact_count_is_the_pooled_one(ask, pooled):
    told = ask("sex = 'M' AND disease", "--exact", "--json")
    assert told.code == 0, told.err
    (row,) = json.loads(told.out)["rows"]
    assert row == [int(((pooled.sex == 1) & (pooled.num > 0)).sum())]
    everybody = ask("--exact", "--json")
    assert json.loads(everybody.out)["rows"] == [[len(pooled)]]


def test_a_private_count_is_near_and_says_what_it_cost(ask, pooled):
    told = ask("age >= 50", "--epsilon", "1")
    assert told.code == 0, told.err
    assert command.NAME in told.out
    assert "charged to the query budget" in told.out
    within = ask("disease", "--within", "60", "--json", "--yes")
    (row,) = json.loads(within.out)["rows"]
    assert abs(row[0] - int((pooled.num > 0).sum())) < 200


def test_a_condition_stays_one_condition(ask, session):
    before = [row["spent"] for row in session.budget_rows()]
    for text in (
        "sex = 'M') GROUP BY (sex",
        "disease GROUP BY sex",
        "disease; SELECT 1",
        "1",
        "shoe = 3",
        "",
    ):
        told = ask(text, "--epsilon", "1")
        assert told.code in {1, 2}, (text, told.out)
        assert told.out == ""
    assert [row["spent"] for row in session.budget_rows()] == before


def test_the_price_is_explained_for_nothing(ask, session):
    before = [row["spent"] for row in session.budget_rows()]
    told = ask("disease", "--explain")
    assert told.code == 0, told.err
    assert "COUNT(*)" in told.out
    assert [row["spent"] for row in session.budget_rows()] == before


def test_units_are_counted_where_they_may_have_several_rows(visits, monkeypatch):
    monkeypatch.setattr(consortium_file, "load_consortium", lambda _: visits)
    text, counted_at = command.question(Path("consortium.toml"), None, "age >= 50")
    assert text == "SELECT COUNT(DISTINCT patient_id) AS matching FROM visits WHERE (\nage >= 50\n)"
    assert counted_at == 2


@pytest.fixture
def visits():
    from types import SimpleNamespace

    from analytics.schema import Schema

    table = {
        "privacy_unit": "patient_id",
        "max_rows_per_unit": 5,
        "max_sites_per_unit": 2,
        "rows_max": 100,
        "columns": {"age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1}},
    }
    schema = Schema.from_dict({"tables": {"visits": table}})
    return SimpleNamespace(schema=schema, names=("a", "b", "c"))
