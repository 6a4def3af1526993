"""Reference pages: complete, up to date, and true of what the program does."""

import dataclasses
import json
import re
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest

import crossward
from analytics.statistics.aggregates import AGGREGATES
from analytics.statistics.registry import STATISTICS
from federation.audit import Account, RefusalReport
from federation.audit.exact_pairs import DifferenceReport
from federation.client.questions.preflight import PreflightFinding
from federation.diagnostics.finding import Finding
from federation.node.ledger.summary import LedgerSummary
from privacy_accounting.audit.price import PriceReport
from privacy_accounting.audit.recompute import RecomputeReport
from privacy_accounting.audit.verify import VerifyReport
from tests.cli.conftest import crossward as command
from tools import reference, reference_parts

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "reference"
BLOCK = re.compile(r"<!-- (\w+) -->\n```sql\n(.*?)```", re.DOTALL)
SQL = (FOLDER / "sql.md").read_text("utf-8")
TOML = re.search(r"```toml\n(.*?)```", SQL, re.DOTALL)[1]
ROWS = pd.DataFrame(
    {
        "patient": [f"p{n}" for n in range(80)],
        "age": [20 + n for n in range(80)],
        "weight": [60.5 + n for n in range(80)],
        "sex": ["F", "M"] * 40,
        "smoker": [True, False, True, None] * 20,
    }
)


REPORTS = {
    "audit verify": VerifyReport,
    "audit recompute": RecomputeReport,
    "audit statement": Account,
    "audit refusals": RefusalReport,
    "audit differences": DifferenceReport,
    "audit price": PriceReport,
    "ledger show": LedgerSummary,
    "doctor": Finding,
    "preflight": PreflightFinding,
}


@pytest.fixture(scope="module")
def session():
    tables = {site: ROWS.assign(patient=site + ROWS["patient"]) for site in ("anna", "bert", "carl")}
    with crossward.local(tables, schema=tomllib.loads(TOML), engine="numpy") as opened:
        yield opened


def test_the_generated_pages_are_those_of_the_code():
    stale = [name for name, text in reference.pages().items() if (FOLDER / name).read_text("utf-8") != text]
    assert stale == [], "run make reference"


def test_a_stale_page_is_noticed(monkeypatch, tmp_path):
    (tmp_path / "page.md").write_text("old")
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "pages", lambda: {"page.md": "new"})
    monkeypatch.setattr(sys, "argv", ["reference.py", "--check"])
    assert reference.main() == 1
    assert (tmp_path / "page.md").read_text() == "old"
    monkeypatch.setattr(sys, "argv", ["reference.py"])
    assert reference.main() == 0
    assert (tmp_path / "page.md").read_text() == "new"


def test_a_missing_text_of_an_error_stops_the_tool():
    with pytest.raises(SystemExit, match="lacks NothingError"):
        reference_parts.text_for("errors", "NothingError")
    listed = set(re.findall(r"^\| `(\w+)`", (FOLDER / "errors.md").read_text("utf-8"), re.MULTILINE))
    assert set(crossward.errors.__all__) - set(reference_parts.TEXTS["roots"]) <= listed
    assert set(reference_parts.TEXTS["errors"]) == listed


def test_every_name_of_the_api_and_every_statistic_has_its_place():
    page = (FOLDER / "python.md").read_text("utf-8")
    assert all(f"## crossward.{name}\n" in page for name in dir(crossward))
    page = (FOLDER / "statistics.md").read_text("utf-8")
    assert all(f"## {name}\n" in page for name in STATISTICS)


def test_every_exit_code_is_listed():
    from federation.cli import outcome

    codes = {outcome.DONE, outcome.FAILED, outcome.USAGE, outcome.REFUSED, outcome.STOPPED}
    assert {int(code) for code in reference_parts.TEXTS["exit_codes"]} == codes


# SQL


def statements():
    return [(kind, line) for kind, text in BLOCK.findall(SQL) for line in text.strip().splitlines()]


def asked(session, text, **how):
    try:
        session.explain(text, **how)
    except crossward.errors.PlanRejectedError:
        return False
    return True


def test_every_sql_example_is_answered_as_its_heading_says(session):
    expected = {"both": (True, True), "private": (True, False), "refused": (False, False)}
    assert {kind for kind, _ in statements()} == set(expected)
    for kind, text in statements():
        found = (asked(session, text, epsilon=1), asked(session, text, exact=True))
        assert found == expected[kind], text


def test_every_aggregate_is_on_the_sql_page():
    names = {name for each in AGGREGATES.values() for name in each.sql_names}
    assert all(f"`{name}(" in SQL for name in names - {"VARIANCE_POP"})


# JSON


def fields(value):
    return set(value[0]) if isinstance(value, list) else set(value)


def outputs(session):
    """What the commands print with --json, by their words."""
    count = "SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex"
    chi = session.table().chi_square("sex", "smoker", exact=True)
    rules = session.table().frequent_itemsets(["smoker", "sex=M"], min_support=0.1, exact=True)
    return {
        "query": session.sql(count, epsilon=0.1).to_dict(),
        "query --explain": session.explain(count, epsilon=0.1).to_dict(),
        "quote": session.quote(count, epsilon=0.1),
        "budget": session.budget_rows(),
        "preflight": session.preflight().to_dict(),
        "stats": chi.to_dict(),
        "mine": rules.to_dict(),
    }


def test_every_json_field_is_on_its_page(session):
    page = (FOLDER / "json.md").read_text("utf-8")
    sections = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    for name, value in outputs(session).items():
        listed = set(re.findall(r"^\| `([\w.]+)`", sections[name], re.MULTILINE))
        if name != "stats":
            assert fields(value) <= listed, (name, fields(value) - listed)
        receipt = value.get("receipt", {}) if isinstance(value, dict) else {}
        in_all = set(re.findall(r"^\| `([\w.]+)`", sections["receipt"], re.MULTILINE))
        assert set(receipt) <= in_all, (name, set(receipt) - in_all)
    for name, report in REPORTS.items():
        listed = set(re.findall(r"^\| `(\w+)`", sections[name], re.MULTILINE))
        assert {each.name for each in dataclasses.fields(report)} <= listed, name
    task = crossward.TrainingTask(table="patients", features=["age"], target="smoker", epsilon=1)
    listed = set(re.findall(r"^\| `(\w+)`", sections["train --explain"], re.MULTILINE))
    assert (
        set(session.plan_training(task).to_dict()) | {"fits", "notice", "warning", "sites_in_an_attempt"}
        == listed
    )
    error = json.loads(command("nonsense", "--json").err)["error"]
    assert set(error) == set(re.findall(r"^\| `error\.(\w+)`", sections["errors"], re.MULTILINE))
