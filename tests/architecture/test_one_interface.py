"""Only registries know which statistics, aggregates and plans there are; the rest of the product asks the objects."""

import ast
from pathlib import Path

import pytest

from analytics.statistics.aggregate import Aggregate
from analytics.statistics.aggregates import AGGREGATES
from analytics.statistics.base import Statistic
from analytics.statistics.other_names import PART_OF
from analytics.statistics.registry import STATISTICS
from federation.requests.kinds.registry import KINDS

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for package in ("analytics", "federation") for path in (ROOT / package).rglob("*.py"))
PLANS = {"Plan", "MiningPlan", "StatisticPlan", "QueryWork", "MiningWork", "StatisticWork"}
CLASSES = (
    PLANS
    | {type(each).__name__ for each in AGGREGATES.values()}
    | {kind.__name__ for kind in STATISTICS.values()}
    | {type(kind()).__name__ for kind in KINDS.values()}
)
OWNERS = {"request", "plan", "planned", "work", "statistic", "aggregate", "column", "output", "ask", "known"}
TELLING = {"kind", "aggregate", "statistic"}
CONCRETE = tuple(
    sorted(
        {type(each).__module__ + "." for each in AGGREGATES.values()}
        | {each.__module__ + "." for each in STATISTICS.values()}
    )
)
ALLOWED = {
    "federation/requests/planning.py",  # a request must be of the kind that its caller planned it as
    "federation/training/rounds/round_plan.py",  # the same, of a training
}


def names_in(node):
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} | {
        each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)
    }


def is_telling(side):
    """``plan.kind``, ``output.aggregate``, ``statistic.name`` and their like."""
    if not isinstance(side, ast.Attribute):
        return False
    owner = side.value
    owned = (
        owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
    )
    return owned in OWNERS and (
        side.attr in TELLING or (side.attr == "name" and owned in {"statistic", "aggregate", "kind"})
    )


def questions(tree):
    """Lines that ask what class a plan, statistic, aggregate or kind is, or what it is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in {"isinstance", "issubclass", "type"} and names_in(node) & CLASSES:
                yield node.lineno
        elif isinstance(node, ast.MatchClass) and names_in(node.cls) & CLASSES:
            yield node.pattern_lineno if hasattr(node, "pattern_lineno") else node.cls.lineno
        elif isinstance(node, ast.Match) and is_telling(node.subject):
            yield node.lineno
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            is_none = any(isinstance(side, ast.Constant) and side.value is None for side in sides)
            is_class = any(isinstance(side, ast.Name) and side.id in CLASSES for side in sides)
            if is_class or (not is_none and any(is_telling(side) for side in sides)):
                yield node.lineno


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module + "."
            yield from (f"{node.module}.{name.name}." for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (f"{name.name}." for name in node.names)


def test_no_module_asks_which_plan_statistic_aggregate_or_kind_it_has():
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in FILES
        if str(path.relative_to(ROOT)) not in ALLOWED
        for line in questions(ast.parse(path.read_text("utf-8")))
    }
    assert found == set()


def test_every_exception_is_still_needed():
    for name in ALLOWED:
        assert list(questions(ast.parse((ROOT / name).read_text("utf-8")))), name


@pytest.mark.parametrize(
    "form",
    [
        "isinstance(plan, StatisticPlan)",
        "isinstance(planned.work, (plans.Plan, int))",
        "type(statistic) is ChiSquare",
        "issubclass(kind, KaplanMeier)",
        "statistic.name == 'chi_square'",
        "plan.statistic.name in {'glm'}",
        "output.aggregate is mean",
        "column.aggregate == 'sum'",
        "request.kind != 'query'",
        "match plan:\n    case MiningPlan():\n        pass",
        "match request.kind:\n    case 'query':\n        pass",
    ],
)
def test_the_search_finds_every_form_of_the_question(form):
    assert list(questions(ast.parse(form)))


@pytest.mark.parametrize(
    "form", ["column.aggregate is None", "plan.mode == 'exact'", "AGGREGATES[output.aggregate].is_whole"]
)
def test_the_search_allows_what_is_no_question_after_a_class(form):
    assert not list(questions(ast.parse(form)))


def test_only_the_registry_imports_a_statistic():
    found = {
        str(path.relative_to(ROOT))
        for path in FILES
        if any(name.startswith(CONCRETE) for name in imported(ast.parse(path.read_text("utf-8"))))
    }
    assert found == {"analytics/statistics/aggregates.py"}  # the other registry names classes as text


def test_only_the_registry_and_its_own_file_hold_the_name_of_a_statistic():
    found = {
        (str(path.relative_to(ROOT)), node.value)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and node.value in set(STATISTICS)
    }
    own = {(kind.__module__.replace(".", "/") + ".py", name) for name, kind in STATISTICS.items()}
    # a session and a command of their own keep what this one released; a requirement is held against that one
    own |= {("federation/client/questions/cubes.py", "cube"), ("federation/cli/app.py", "cube")}
    own |= {
        ("analytics/statistics/profiles/requirements.py", "quality"),
        ("federation/cli/examples.py", "quality"),
    }
    own |= {("federation/client/fitting.py", "quantile")}  # which mappings take their constants from
    own |= {("analytics/mining/rules.py", "chi_square")}  # a measure of a rule, and of a pair
    own |= {
        (f"analytics/statistics/pairs/{name}_answer.py", "chi_square") for name in ("signals", "comorbidity")
    }
    # figures of a trained model go by the names of the statistics
    own |= {("federation/training/evaluation.py", name) for name in ("brier", "calibration", "roc_auc")}
    own |= {("federation/training/figures/regression.py", "calibration")}
    # the register says under which statistic a figure of another name stands
    own |= {
        ("analytics/statistics/other_names.py", place) for place in PART_OF.values() if place in STATISTICS
    }
    assert found == own | {("analytics/statistics/registry.py", name) for name in STATISTICS}


def test_names_are_unique_and_say_all_that_an_analyst_needs():
    assert all(isinstance(each, Aggregate) and each.name == name for name, each in AGGREGATES.items())
    for name, kind in STATISTICS.items():
        assert issubclass(kind, Statistic)
        assert kind.name == name
        assert kind.summary
        assert kind.modes <= {"private", "exact"}
        assert ("private" in kind.modes) != bool(kind.no_private)
        assert all(parameter.meaning for parameter in kind.parameters)
        assert not {"epsilon", "exact", "purpose", "table"} & {
            parameter.name for parameter in kind.parameters
        }
    forms = [(name, each.form) for each in AGGREGATES.values() for name in each.sql_names]
    assert len(set(forms)) == len(forms)
