"""Every page over a consortium of this process, as a browser without JavaScript sees it: forms are posted plainly."""

import csv
import io
import json
import re
import time

import numpy as np
import pandas as pd
import pytest

import federation
from federation.dashboard.ledger_view import LedgerView
from federation.dashboard.state import DashboardState
from federation.dashboard.training_jobs import TrainingJobs
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from tests.dashboard.conftest import Browser

BAD = "<img src=x onerror=alert(1)>"
SQL = "SELECT stage, COUNT(*) AS patients FROM patients GROUP BY stage"
SCHEMA = {
    "tables": {
        "patients": {
            "privacy_unit": "row",
            "rows_max": 1000,
            "max_sites_per_unit": 1,
            "exact_dimensions": ["stage", "disease", "smoker"],
            "columns": {
                "age": {
                    "type": "numeric",
                    "lower": 0,
                    "upper": 110,
                    "resolution": 1,
                    "bins": [0, 40, 60, 110],
                },
                "stage": {"type": "categorical", "domain": ["I", "II", BAD]},
                "disease": {"type": "boolean"},
                "smoker": {"type": "boolean"},
            },
        }
    }
}


def rows(seed):
    drawn = np.random.default_rng(seed)
    age = drawn.integers(20, 90, 300)
    return pd.DataFrame(
        {
            "age": age,
            "stage": drawn.choice(["I", "II", BAD], 300),
            "disease": drawn.random(300) < age / 110,
            "smoker": drawn.random(300) < 0.4,
        }
    )


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """The ledger of anna, in a file."""
    return tmp_path_factory.mktemp("ledger") / "ledger.sqlite"


@pytest.fixture(scope="module")
def session(ledger):
    tables = {name: rows(seed) for seed, name in enumerate(("anna", "bert", "carl"))}
    budget = {"epsilon": "20", "delta": "0.000001", "query": {"share": "0.5"}, "training": {"share": "0.5"}}
    stores = {"anna": SqliteStore(ledger, owner="anna")}
    with federation.local(tables, schema=SCHEMA, budget=budget, engine="numpy", stores=stores) as opened:
        yield opened


@pytest.fixture
def browser(session, tmp_path):
    jobs = TrainingJobs(session, tmp_path)
    return Browser(DashboardState(session, jobs=jobs)).sign_in()


def spent(session):
    return [row["spent"] for row in session.budget_rows()]


def confirm(browser, page):
    """Press the button below a price."""
    key = re.search(r'name="key" value="([^"]+)"', page.text)[1]
    return browser.post("/run", key=key)


def test_a_private_question_is_priced_for_nothing_then_confirmed_once(browser, session):
    before = spent(session)
    page = browser.post("/ask", sql=SQL, mode="private", epsilon="1", fresh="1", purpose="dashboard test")
    assert page.status_code == 200
    for text in ("epsilon 1 at delta", "Accuracy", "Such questions that still fit", "(a coin: 50 %)"):
        assert text in page.text
    assert "Run, and spend epsilon 1" in page.text
    assert spent(session) == before
    key = re.search(r'name="key" value="([^"]+)"', page.text)[1]
    answer = browser.post("/run", key=key)
    assert answer.status_code == 303
    assert spent(session) != before
    after = spent(session)
    again = browser.post("/run", key=key)
    assert (again.status_code, spent(session)) == (409, after)
    text = browser.get(answer.headers["location"]).text
    assert "ledger entry" in text
    assert "95 % interval" in text
    assert "<svg" in text
    row = next(each for each in session.budget_rows() if each["purpose"] == "dashboard test")
    assert float(row["spent"]) > 0


def test_an_answer_is_there_as_csv_and_json_and_under_its_page(browser):
    answer = confirm(browser, browser.post("/ask", sql=SQL, mode="private", epsilon="1.5", fresh="1"))
    place = answer.headers["location"]
    found = list(csv.reader(io.StringIO(browser.get(f"{place}.csv").text)))
    document = json.loads(browser.get(f"{place}.json").text)
    assert [row[0] for row in found[1:4]] == ["I", "II", BAD]
    assert [row[1] for row in document["rows"]] == [int(row[1]) for row in found[1:4]]
    assert document["question"] == SQL
    assert "attachment" in browser.get(f"{place}.csv").headers["content-disposition"]
    assert SQL in browser.get("/ask").text
    assert browser.get("/answers/unknown").status_code == 404


def test_names_with_markup_are_escaped_on_every_page(browser, session):
    answer = confirm(
        browser, browser.post("/ask", sql=SQL, mode="private", epsilon="1", fresh="1", purpose=f"p{BAD}")
    )
    browser.post("/ask", sql=f"SELECT {BAD}", mode="exact")
    places = [answer.headers["location"], "/", "/ask", "/budget", "/mining", "/training", "/refusals"]
    texts = [browser.get(place).text for place in places]
    texts.append(browser.post("/ask", sql=f"SELECT {BAD} FROM patients", mode="exact", purpose=BAD).text)
    texts.append(browser.post("/ask/statistics/chi_square", **{"argument.row": BAD, "table": BAD}).text)
    texts.append(browser.get(f"/ask/statistics?search={BAD}").text)
    texts.append(browser.get(f"/budget?table={BAD}&epsilon={BAD}").text)
    assert not any("<img" in text for text in texts)
    assert sum("&lt;img" in text for text in texts) >= 6


def test_without_an_epsilon_several_prices_are_shown_and_nothing_can_be_run(browser):
    page = browser.post("/ask", sql=SQL, mode="private")
    assert "No epsilon is chosen yet" in page.text
    assert 'action="/run"' not in page.text


def test_an_accuracy_is_bought_at_the_least_epsilon_that_was_shown(browser):
    page = browser.post("/ask", sql=SQL, mode="within", within="30", fresh="1")
    (epsilon,) = re.findall(r"Run, and spend epsilon ([0-9.]+)", page.text)
    answer = confirm(browser, page)
    document = json.loads(browser.get(f"{answer.headers['location']}.json").text)
    assert float(document["cost"]["epsilon"]) <= float(epsilon) + 1e-6
    assert document["receipt"]["promise"]


def test_an_exact_question_says_that_it_is_one_and_how_many_are_left(browser):
    page = browser.post("/ask", sql=SQL, mode="exact")
    assert "Run, and use one exact disclosure" in page.text
    assert "Exact requests used" in page.text
    answer = browser.get(confirm(browser, page).headers["location"]).text
    assert "an exact disclosure, without epsilon" in answer


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"sql": ""}, "is empty"),
        ({"sql": "DROP TABLE patients"}, "SELECT"),
        ({"sql": SQL, "epsilon": "-1"}, "epsilon"),
        ({"sql": SQL, "epsilon": "1e-3"}, "plain decimal"),
        ({"sql": SQL, "mode": "within"}, "must be given"),
        ({"sql": SQL, "mode": "within", "within": "5", "expected_units": "1.5"}, "whole number"),
        ({"sql": "SELECT AVG(agee) AS a FROM patients", "epsilon": "1"}, "age"),
    ],
)
def test_a_form_with_a_mistake_keeps_what_was_written_and_says_what_is_wrong(browser, fields, text):
    page = browser.post("/ask", **fields)
    assert page.status_code == 422
    assert text in page.text
    assert 'role="alert"' in page.text
    fragment = browser.post("/ask", {"HX-Request": "true"}, **fields)
    assert fragment.status_code == 200
    assert "<html" not in fragment.text


def test_a_question_beyond_the_budget_cannot_be_confirmed(browser, session):
    before = spent(session)
    page = browser.post("/ask", sql=SQL, mode="private", epsilon="19", fresh="1")
    assert "It would be refused" in page.text
    assert 'action="/run"' not in page.text
    assert spent(session) == before


def test_what_a_site_refuses_at_the_run_is_said_and_listed(browser, session, monkeypatch):
    from federation.errors import PolicyRefusedError

    page = browser.post("/ask", sql=SQL, mode="exact")

    def refuse(*_, **__):
        raise PolicyRefusedError(site="bert", rule="no exact answers on Sundays")

    monkeypatch.setattr(type(session), "sql", refuse)
    answer = confirm(browser, page)
    assert answer.status_code == 422
    assert "no exact answers on Sundays" in answer.text
    assert "nothing was spent" in answer.text
    assert "no exact answers on Sundays" in browser.get("/refusals").text


def test_a_statistic_by_its_form(browser):
    listed = browser.get("/ask/statistics?search=chi")
    assert "/ask/statistics/chi_square" in listed.text
    assert browser.get("/ask/statistics/nothing").status_code == 404
    form = browser.get("/ask/statistics/chi_square").text
    names = re.findall(r'name="argument\.([^"]+)"', form)
    values = dict(zip(names, ("stage", "disease"), strict=False))
    fields = {f"argument.{name}": value for name, value in values.items()}
    page = browser.post("/ask/statistics/chi_square", table="patients", mode="private", epsilon="1", **fields)
    assert "Run, and spend epsilon 1" in page.text
    place = confirm(browser, page).headers["location"]
    assert "pvalue" in browser.get(place).text
    assert browser.get(f"{place}.csv").text.count("\n") > 1


def test_the_picture_of_a_statistic_comes_as_a_file_of_its_own(browser):
    fields = {"argument.columns": "age,disease", "table": "patients", "epsilon": "2"}
    page = browser.post("/ask/statistics/correlation", **fields)
    place = confirm(browser, page).headers["location"]
    text = browser.get(place).text
    assert f'<img class="plot" src="{place}/picture.png" alt="Picture of correlation' in text
    picture = browser.get(f"{place}/picture.png")
    assert (picture.headers["content-type"], picture.content[:4]) == ("image/png", b"\x89PNG")


def test_budget_by_whom_for_what_and_what_if(browser):
    text = browser.get("/budget").text
    for part in ("For what", "By whom", "analyst", "still fits", "Spent over time", "right at most"):
        assert part in text
    fragment = browser.get("/budget/what-if?table=patients&epsilon=0.5", **{"HX-Request": "true"}).text
    assert "Such questions that still fit" in fragment
    assert "<html" not in fragment
    assert "<html" in browser.get("/budget/what-if?table=patients&epsilon=0.5").text


def test_nodes_and_the_trust_model(browser, session):
    text = browser.get("/").text
    assert "with the same entry" in text
    assert text.count('class="badge good"') == 6
    assert "any 2 learn nothing" in text
    assert "secrecy threshold 2 of 3 sites" in text


def test_mining_shows_its_plan_then_rules_and_their_graph(browser):
    fields = {
        "table": "patients",
        "items": "disease, smoker, stage=I",
        "min_support": "0.05",
        "min_confidence": "0.1",
    }
    page = browser.post("/mining", **fields)
    assert "exact mining over 3 sites" in page.text
    answer = browser.get(confirm(browser, page).headers["location"]).text
    assert "confidence" in answer
    assert "Graph of" in answer
    assert browser.post("/mining", table="patients").status_code == 422


def test_a_training_shows_its_plan_runs_in_the_background_and_keeps_a_checkpoint(browser, session):
    fields = {
        "table": "patients",
        "feature": ["patients:age", "patients:smoker"],
        "target": "disease",
        "epsilon": "1",
        "rounds": "2",
        "report_loss": "1",
        "expected_units": "900",
    }
    before = spent(session)
    plan = browser.post("/training", **fields)
    assert "Train, and spend up to epsilon 1" in plan.text
    assert spent(session) == before
    key = re.search(r'name="key" value="([^"]+)"', plan.text)[1]
    place = browser.post("/training/start", key=key).headers["location"]
    assert browser.post("/training/start", key=key).status_code == 409
    for _ in range(300):
        if not browser.state.running():
            break
        time.sleep(0.1)
    text = browser.get(place).text
    assert "All rounds done" in text
    assert "Loss by round" in text
    assert "Epsilon spent by round" in text
    assert 'hx-trigger="every 2s"' not in text
    assert json.loads(browser.get(f"{place}/model.json").text)["features"]
    kept = browser.get("/training").text
    assert "only rounds not charged yet are charged" in kept
    name = re.search(r'name="name" value="([^"]+)"', kept)[1]
    assert browser.post("/training/resume", name=name).status_code == 303
    assert browser.post("/training/resume", name="../other").status_code == 502


def test_a_training_that_cannot_be_planned_says_why(browser):
    page = browser.post("/training", table="patients", target="disease", epsilon="1")
    assert page.status_code == 422
    assert "features" in page.text


def test_a_site_that_goes_down_while_a_page_is_open_is_named(browser, session):
    from federation.errors import SiteUnavailableError

    assert "Not answering" not in browser.get("/").text
    health = session.health()
    browser.state.nodes._ask = lambda: {**health, "bert": SiteUnavailableError(site="bert")}
    browser.state.nodes._asked_s = None
    status = browser.get("/status", **{"HX-Request": "true"}).text
    assert "Not answering or not ready: bert" in status
    nodes = browser.get("/nodes", **{"HX-Request": "true"}).text
    assert "does not answer" in nodes
    assert "bert" in browser.get("/ask").text


def test_a_real_ledger_is_verified_and_follows_new_entries(session, ledger):
    session.sql(SQL, epsilon=0.5, fresh=True, purpose=f"late {BAD}")
    view = LedgerView(ledger, session.consortium)
    browser = Browser(DashboardState(session, ledger=view)).sign_in()
    view.look(20.0)
    first = browser.get("/ledger").text
    assert "whole; " in first
    assert "the first entry matches the consortium file" in first
    assert "late &lt;img" in first
    number = view.look().report.files[0].entries
    session.sql(SQL, epsilon=0.5, fresh=True, purpose="later still")
    browser.get("/ledger")
    view.look(20.0)
    assert "later still" in browser.get("/ledger").text
    entry = browser.get(f"/ledger/{number}").text
    assert "every member has signed it" in entry
    assert "anna, bert, carl" in entry
    assert "Spent over time" in browser.get("/budget").text
