"""Tables that an analyst passes from Python, and the metadata of answers, over three small sites."""

import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import federation
from analytics.errors import InvalidRequestError
from analytics.mining.request import MiningRequest
from federation.display.terminal import FEW_NOTE, answer_cells, budget_table, cost_lines, rule_tables
from federation.errors import ConfigError, ForkedSessionError

SCHEMA = {
    "tables": {
        "visits": {
            "privacy_unit": "pid",
            "rows_max": 100,
            "max_rows_per_unit": 1,
            "exact_dimensions": ["sex"],
            "columns": {
                "pid": {"type": "identifier"},
                "age": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1},
                "sex": {"type": "categorical", "domain": ["F", "M"]},
            },
        }
    }
}
COUNT = "SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex"


def rows(site):
    sexes = ["F"] * 30 + ["M"] * 5
    return pd.DataFrame({"pid": [f"{site}{n}" for n in range(35)], "age": range(20, 55), "sex": sexes})


@pytest.fixture(scope="module")
def small():
    tables = {name: rows(name) for name in ("north", "south", "west")}
    budget = {
        "epsilon": "20",
        "query": {"share": "0.5"},
        "mining": {"share": "0.25"},
        "training": {"share": "0.25"},
    }
    with federation.local(
        tables, schema=SCHEMA, budget=budget, policy={"exact_requests_per_analyst": 40}
    ) as session:
        yield session


# numbers and lists


@pytest.mark.parametrize(
    ("epsilon", "exactly"),
    [
        (np.int64(1), "1"),
        (np.uint8(2), "2"),
        (np.float32(0.5), "0.5"),
        ("0.5", "0.5"),
        (np.float64(0.1), "0.1"),
        (np.float32(0.1), "0.100000001490116119384765625"),
    ],
)
def test_numbers_of_other_libraries_are_taken_exactly(small, epsilon, exactly):
    assert small.explain(COUNT, epsilon=epsilon).to_dict()["cost"]["epsilon"] == exactly


@pytest.mark.parametrize(
    "epsilon", [True, np.True_, np.float32("nan"), np.float32("inf"), "1e-1", ".5", 1j, np.array([1.0])]
)
def test_what_is_no_finite_number_is_refused(small, epsilon):
    with pytest.raises(InvalidRequestError) as caught:
        small.explain(COUNT, epsilon=epsilon)
    assert caught.value.parameter == "epsilon"


@pytest.mark.parametrize(
    "questions", [[(COUNT,)], [(COUNT, 0.1, 2)], [], None, [(0.1, COUNT)], [COUNT, (COUNT, 0.1)]]
)
def test_a_quote_of_another_shape_is_refused_with_the_right_one(small, questions):
    with pytest.raises(InvalidRequestError, match=r'such as \[\("SELECT \.\.\.", 0\.5\)\]'):
        small.quote(questions)
    assert small.quote([(COUNT, 0.1)])[0]["sql"] == COUNT


def test_a_quote_takes_one_text_or_several_with_one_epsilon(small):
    pairs = small.quote([(COUNT, 0.1)])
    assert small.quote(COUNT, epsilon=0.1) == small.quote([COUNT], epsilon="0.1") == pairs
    for questions, epsilon in ((COUNT, None), ([COUNT], None), ([(COUNT, 0.1)], 0.1)):
        with pytest.raises(InvalidRequestError) as caught:
            small.quote(questions, epsilon=epsilon)
        assert caught.value.parameter == "epsilon"


@pytest.mark.parametrize("items", ["sex=M", [], [1], None])
def test_one_text_is_no_list_of_items(small, items):
    with pytest.raises(InvalidRequestError) as caught:
        small.table("visits").association_rules(items, min_support=0.1, min_confidence=0.5, exact=True)
    assert caught.value.parameter == "items"


# names and sites


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a" * 80, "south", "west"], "at most 63 characters long, not 80"),
        (["north"], "2 to 8 sites, not 1; exact answers and training need at least 3"),
        ([f"site{n}" for n in range(9)], "2 to 8 sites, not 9"),
        (["North", "south", "west"], "must start with a letter and hold only"),
    ],
)
def test_names_and_numbers_of_sites_are_refused_with_the_rule(names, said):
    with pytest.raises(ConfigError, match=said):
        federation.local({name: rows(name) for name in names}, schema=SCHEMA)


# what an answer says


def test_a_suppressed_cell_names_the_threshold_that_holds_and_its_reason(small):
    result = small.sql(COUNT, exact=True)
    assert result.rows == (
        ("F", 90),
        ("M", None),
    )  # fifteen men are more than 10, fewer than 10 times 3 sites
    assert result.flags["n"].tolist() == ["", "suppressed"]
    assert (result.cost["minimum_cell"], result.cost["threshold"]) == (10, 30)
    said = "at least 30 privacy units stand behind it"
    reason = "guard 30 = minimum cell 10 x 3 sites at which one unit may be"
    for text in (" ".join(cost_lines(result)), small.explain(COUNT, exact=True).text, str(result.to_dict())):
        assert said in text
        assert reason in text
    assert answer_cells(result)[1] == ["M", "suppressed"]


def test_an_exact_answer_says_how_many_are_used_and_that_they_can_be_combined(small):
    first, second = (small.sql(COUNT, exact=True).receipt["exact_requests"] for _ in range(2))
    assert first["of"] == second["of"] == 40
    assert second["used"] == first["used"] + 1  # the same question counts again
    result = small.sql(COUNT, exact=True)
    text = " ".join(cost_lines(result))
    assert f"{second['used'] + 1} of 40 that " in text
    assert "can be combined" in text
    assert "the same question asked again too" in text
    row = next(
        r for r in small.budget_rows() if r["sub_budget"] == "query" and not r["purpose"] and not r["analyst"]
    )
    assert (row["exact_by_asker"], row["exact_limit"]) == (second["used"] + 1, 40)
    shown = budget_table([row])
    assert f"{row['exact_by_asker']} of 40" in "".join(map(str, shown.columns[-1]._cells))


def test_mining_says_the_threshold_that_holds(small):
    request = MiningRequest(
        table="visits", items=("sex=F",), min_support=Fraction(1, 10), min_confidence=Fraction(1, 2),
        max_len=None, max_candidates=10, nested_supports="guard",
    )  # fmt: skip
    lines = rule_tables(small.mine(request))
    text = " ".join(line for line in lines if isinstance(line, str))
    assert "at least 30 rows behind a support (guard 30 = minimum cell 10 x 3 sites)" in text
    assert "exact requests of this analyst" in text


def test_a_private_answer_over_few_rows_is_flagged_and_says_so(small):
    result = small.sql("SELECT sex, AVG(age) AS m, STDDEV(age) AS d FROM visits GROUP BY sex", epsilon=0.001)
    assert "exact_requests" not in result.receipt
    assert all(0 <= row[1] <= 100 for row in result.rows)
    assert not result.frame.isna().any(axis=None)
    assert result.interval(0.95)["sex"].tolist() == ["F", "M"]
    assert {name for _, name in result.too_few} <= {"m", "d"}
    assert (
        len(result.too_few) >= 2
    )  # the count's noise is thousands; that it hides 90 rows fails once in a million
    assert FEW_NOTE in cost_lines(result)
    place = dict(result.too_few)
    assert any(cell.endswith(" *") for number in place for cell in answer_cells(result)[number])


# the session and the package


def test_a_session_is_refused_in_a_forked_child_and_works_in_its_parent(small):
    """No wait for threads that a fork does not have; the child's close leaves the parent's lines alone."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            refused = 0
            for ask in (
                lambda: small.sql(COUNT, exact=True),
                small.budget_rows,
                lambda: small.quote([(COUNT, 0.1)]),
            ):
                try:
                    ask()
                except ForkedSessionError as error:
                    refused += "opened in another process" in str(error)
            small.close()
            code = 0 if refused == 3 else 2
        finally:
            os._exit(code)
    ends_at = time.monotonic() + 60
    while (done := os.waitpid(child, os.WNOHANG))[0] == 0:
        assert time.monotonic() < ends_at
        time.sleep(0.02)
    assert os.waitstatus_to_exitcode(done[1]) == 0
    assert small.sql(COUNT, exact=True).rows[0] == ("F", 90)


def test_the_package_lists_its_names_before_it_loads_them():
    code = "import federation, sys; print(dir(federation)); print('federation.client.session' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(f"'{name}'" in shown for name in ("Session", "connect", "local"))
    assert "TYPE_CHECKING" not in shown
    assert shown.endswith("False\n")


@pytest.mark.parametrize("package", ["analytics", "federation", "privacy_accounting", "smpc"])
def test_type_hints_are_marked_for_users(package):
    root = Path(__file__).resolve().parents[3]
    assert (root / package / "py.typed").exists()
    assert (
        f'"{package}"' in (root / "pyproject.toml").read_text().split("[tool.hatch.build.targets.wheel]")[1]
    )
