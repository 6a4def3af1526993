import threading
import time
from pathlib import Path

import pytest

import federation.demo
from federation.setup.create import create_consortium
from federation.setup.terms import SiteSetup, TableSetup, Terms

HEART = Path(federation.demo.__file__).parent / "data" / "heart_disease"
SCHEMA = """
[tables.visits]
privacy_unit = "row"
rows_max = 1000
exact_dimensions = ["sex"]

[tables.visits.columns]
age = { type = "numeric", lower = 0, upper = 120, resolution = 1 }
sex = { type = "categorical", domain = [0, 1] }
"""
BUDGET = {"epsilon": "4", "query": {"share": "1"}}


def make_terms(**changes):
    given = {"name": "trial", "budgets": {"visits": BUDGET}, "schema": SCHEMA, "deadline_s": "2"} | changes
    return Terms(**given)


def make_sites(*names, **policy):
    return {
        name: SiteSetup(tables={"visits": TableSetup(source=HEART / "cleveland.csv")}, policy=policy)
        for name in names
    }


def wait_until(condition, limit_s=5.0):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def consortium_folder(tmp_path):
    return create_consortium(tmp_path / "trial", terms=make_terms(), sites=make_sites("anna", "bert", "carl"))


@pytest.fixture
def no_threads_left():
    before = set(threading.enumerate())
    yield
    wait_until(lambda: not (set(threading.enumerate()) - before))
