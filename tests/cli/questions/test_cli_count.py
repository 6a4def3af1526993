"""``crossward count``: how many match, private or exact, and the price of asking."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest

from federation.cli.outcome import UsageError
from federation.cli.questions import analyst
from federation.cli.questions import count as command
from tests.cli.conftest import crossward

sys.path.insert(0, str(Path(__file__).parents[2] / "federation"))
from hospitals import BUDGET, files, in_threads

from federation.consortium import consortium_file


@pytest.fixture(scope="module")
def session():
    with in_threads(budget={**BUDGET, "epsilon": "8"}) as opened:
        yield opened


@pytest.fixture
def ask(session, monkeypatch, tmp_path):
    for module in (analyst, command):
        monkeypatch.setattr(module, "open_session", lambda *_: nullcontext(session))
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
    text, said = command.question(Path("consortium.toml"), None, "age >= 50")
    assert text == "SELECT COUNT(DISTINCT patient_id) AS matching FROM visits WHERE (\nage >= 50\n)"
    assert "privacy units are counted (patient_id): one matches where one of its rows" in said[0]
    assert "up to 2 times" in said[1]


@pytest.fixture
def visits():
    from types import SimpleNamespace

    from analytics.schema import Schema

    table = {
        "privacy_unit": "patient_id",
        "max_rows_per_unit": 5,
        "max_sites_per_unit": 2,
        "rows_max": 100,
        "columns": {
            "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1},
            "icd10": {"type": "categorical", "domain": ["I11.0", "I50.0", "I50.1", "I5'x", "J45"]},
            "ward": {"type": "categorical", "domain": [1, 2, 30]},
        },
    }
    schema = Schema.from_dict({"tables": {"visits": table}})
    return SimpleNamespace(schema=schema, names=("a", "b", "c"))


def where(visits, monkeypatch, *codes, condition=None, folder=Path()):
    monkeypatch.setattr(consortium_file, "load_consortium", lambda _: visits)
    text, _ = command.question(folder / "consortium.toml", None, condition, codes)
    return text.partition(" WHERE ")[2]


def test_codes_are_a_file_a_value_set_or_a_list(visits, monkeypatch, tmp_path, capsys):
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "heart_failure.txt").write_text("# after the guideline\nI50.-\nI99.9\n\n")
    (tmp_path / "mine.csv").write_text('code,text\n"I11.0",hypertensive\ni501;left\n', "utf-8")
    assert where(visits, monkeypatch, "icd10=heart_failure", folder=tmp_path) == "icd10 IN ('I50.0', 'I50.1')"
    assert "1 of 2 entries name no value of its domain: I99.9" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert where(visits, monkeypatch, "icd10=mine.csv") == "icd10 IN ('I11.0', 'I50.1')"
    assert "1 of 3" in capsys.readouterr().err  # the header of the file is no code
    assert where(visits, monkeypatch, "icd10=I5'x,J45") == "icd10 IN ('I5''x', 'J45')"
    both = where(visits, monkeypatch, "icd10=I50*", "WARD=2,30", condition="age > 5 OR age < 2")
    assert both == "(\nage > 5 OR age < 2\n) AND icd10 IN ('I50.0', 'I50.1') AND ward IN (2, 30)"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("icd10=Z99", "names no value of the column's domain, which begins I11.0"),
        ("icd10=missing.txt", "the list, as there is no file of this name, names no value"),
        ("icd10=", "COLUMN=LIST"),
        ("icd10", "columns with a domain are icd10, ward"),
        ("age=5", "columns with a domain"),
        ("shoe=5", "columns with a domain"),
        ("icd10=/nowhere/codes.txt", "names no value"),
        ("icd10=../consortium", "names no value"),
        (f"icd10={'I' * 5000}", "names no value"),
    ],
)
def test_lists_that_name_nothing_are_refused(given, said, visits, monkeypatch, tmp_path):
    (tmp_path / "consortium.txt").write_text("J45")
    with pytest.raises(UsageError, match=said):
        where(visits, monkeypatch, given, folder=tmp_path)


def test_a_count_by_codes_is_the_pooled_one(ask, pooled):
    told = ask("disease", "--codes", "cp=asymptomatic,typical", "--exact", "--json")
    (row,) = json.loads(told.out)["rows"]
    assert row == [int(((pooled.num > 0) & pooled.cp.isin([1, 4])).sum())]
    assert ask("--codes", "cp=nothing", "--exact").code == 2


def test_where_a_site_refuses_all_refusals_are_shown_and_nothing_is_spent(ask, session):
    before = [row["spent"] for row in session.budget_rows()]
    told = ask("disease", "--epsilon", "29")
    assert told.code == 3
    for site in session.consortium.names:
        assert f"FIX {site}: request: " in told.err
    as_json = ask("disease", "--epsilon", "29", "--json")
    assert (
        json.loads(as_json.err)["error"]["code"] == "BudgetExceededError"
    )  # one document, nothing beside it
    explained = ask("disease", "--epsilon", "29", "--explain")
    assert explained.code == 0
    assert "FIX" in explained.err
    assert "ok  " in ask("disease", "--epsilon", "0.1", "--explain").err
    assert [row["spent"] for row in session.budget_rows()] == before
