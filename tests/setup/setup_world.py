import re
from pathlib import Path

import federation.demo
from federation.setup.settings import ConsortiumSettings, SiteSetup, TableSetup

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
    given = {
        "name": "trial",
        "helpers": ("dealer",),
        "budgets": {"visits": BUDGET},
        "schema": SCHEMA,
        "deadline_s": "2",
    } | changes
    return ConsortiumSettings(**given)


def make_sites(*names, **policy):
    return {
        name: SiteSetup(
            tables={"visits": TableSetup(source=HEART / "cleveland.csv")}, policy=policy, engine="numpy"
        )
        for name in names
    }


def without_marks(text):
    """The consortium file after a person looked at all that was guessed."""
    return re.sub(r"(?m)^guessed = \[.*\n", "", text).replace(", guessed = true", "")
