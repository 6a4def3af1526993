"""The register: every statistic has a standing in both modes, and what it does not list cannot be asked."""

import json

import pandas as pd
import pytest
from statistic_world import StatisticWorld

from analytics.errors import InvalidRequestError
from analytics.statistics.register import REFUSED, register
from analytics.statistics.registry import STATISTICS
from tests.cli.conftest import crossward
from tools import reference

# the names that documents and other programs may rely on
CONTRACT = {
    "describe", "table_one", "crosstab", "chi_square", "t_test", "anova", "mann_whitney", "correlation", "quantile",
    "ols", "glm", "kaplan_meier", "log_rank", "cox", "roc_auc", "pca", "kmeans",
}  # fmt: skip


def test_every_statistic_has_one_line_and_every_refusal_a_reason():
    entries = register()
    names = [entry.name for entry in entries]
    assert len(names) == len(set(names))
    assert set(names) == set(STATISTICS) | set(REFUSED)
    assert set(names) >= CONTRACT
    for entry in entries:
        for standing in (entry.exact, entry.private):
            assert standing.level in {"promoted", "provisional", "refused"}
            assert (standing.level == "refused") == bool(standing.reason), entry.name


def test_the_register_says_what_can_be_asked():
    for entry in register():
        kind = STATISTICS.get(entry.name)
        for mode, standing in (("exact", entry.exact), ("private", entry.private)):
            assert (kind is not None and mode in kind.modes) == (standing.level != "refused")


def test_a_statistic_is_in_the_registry_or_refused_and_not_both():
    assert not set(STATISTICS) & set(REFUSED)
    for kind in STATISTICS.values():
        assert kind.promoted <= kind.modes
        assert ("exact" in kind.modes) != bool(kind.no_exact)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mice", "cannot be mice, which is refused: each of its"),
        ("chi_sqare", "must be one of .*did you mean chi_square"),
        ("eval", "must be one of"),
    ],
)
def test_what_is_not_listed_cannot_be_planned(name, text):
    world = StatisticWorld(pd.DataFrame({"x": [True]}), {"x": {"type": "boolean"}})
    with pytest.raises(InvalidRequestError, match=text):
        world.plan(name, a="x")


def test_a_refused_mode_says_why_before_a_charge():
    world = StatisticWorld(pd.DataFrame({"x": [True]}), {"x": {"type": "boolean"}})
    for entry in register():
        if entry.private.level == "refused" and entry.name in STATISTICS:
            with pytest.raises(InvalidRequestError) as caught:
                world.plan(entry.name, epsilon="1", a="x")
            assert entry.private.reason in str(caught.value)


def test_the_command_lists_the_register():
    listed = json.loads(crossward("stats", "--list", "--json").out)
    assert {name: (each["exact"]["level"], each["private"]["level"]) for name, each in listed.items()} == {
        entry.name: (entry.exact.level, entry.private.level) for entry in register()
    }
    shown = crossward("stats", "--list").out
    assert "glm: " in shown
    assert f"mice: refused ({REFUSED['mice']})" in shown
    assert crossward("stats", "glm", "--list").code == 2


def test_the_page_shows_the_register():
    page = reference.statistics_page()
    for entry in register():
        assert f"| `{entry.name}` | {entry.exact} | {entry.private} |" in page
