"""The page on new statistics: its code runs, and its own entries leave the registries as they were."""

import re
from pathlib import Path

from analytics.statistics.aggregates import AGGREGATES
from analytics.statistics.registry import STATISTICS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adding-a-statistic.md"
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_code_of_the_page_adds_a_statistic_and_an_aggregate(monkeypatch):
    for registry, name in ((STATISTICS, "odds_ratio"), (AGGREGATES, "mean_square")):
        monkeypatch.setitem(registry, name, None)  # so that the page's own entries are gone afterwards
        del registry[name]
    space = {}
    for block in CODE.findall(PAGE.read_text("utf-8")):
        exec(compile(block, str(PAGE), "exec"), space)  # noqa: S102
    assert space["exact"].value > 1
    assert space["private"].closed == ""
