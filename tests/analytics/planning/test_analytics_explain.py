"""Explanations: from public facts, complete, for people and machines."""

import json
import subprocess
import sys
from fractions import Fraction

from analytics.results.explain import explain, explain_text

SQL = "SELECT k, COUNT(*) AS n, AVG(x) AS m FROM visits WHERE c = 6 GROUP BY k"


def test_private_explanation_names_everything(world) -> None:
    plan = world.plan(SQL, "private", Fraction(1, 2))
    text = explain_text(plan, rounds=1, bytes_per_party=96)
    for line in plan.local_sql.splitlines():
        assert line in text
    for words in (
        "k: 0 = red, 1 = green, 2 = blue", "c: 0 = 3, 1 = 6, 2 = 7", "opened to the analyst alone: 12 sums", "rounds: 1",
        "bytes sent by each party: 96", "epsilon 0.5 at delta 0.000001, add_or_remove_one, 1 colluding",
        "privacy unit row, each at up to 1 site(s), 1 row(s) a site", "n: ", "m: count ",
    ):  # fmt: skip
        assert words in text, text


def test_exact_explanation_states_guard_and_values_kept_in_shares(world) -> None:
    plan = world.plan("SELECT AVG(b) FROM visits WHERE x >= 0", minimum_cell=10)
    text, shape = explain_text(plan), explain(plan)
    assert "at least 10 privacy units" in text
    assert "stays in shares" in text
    assert "exact disclosure without epsilon" in text
    assert shape["kept_in_shares"] == ["f2", "f3", "f4"]
    assert shape["opened_to"] == {"analyst": ["f0", "f1"]}
    assert "nothing is guarded" in explain_text(world.plan("SELECT AVG(b) FROM visits"))


def test_dictionary_is_json(world) -> None:
    shape = explain(world.plan(SQL, "private"), rounds=1, bytes_per_party=96)
    assert json.loads(json.dumps(shape)) == shape
    assert shape["rounds"] == 1
    assert set(shape["noise"]) == {"n", "m"}


def test_asking_needs_neither_torch_nor_pandas() -> None:
    code = (
        "import sys, analytics.sql, analytics.plans.plan, analytics.results.assemble, analytics.results.explain;"
        "sys.exit(bool({'torch', 'crypten', 'pandas', 'duckdb'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
