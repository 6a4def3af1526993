"""Only the registry of kinds knows which kinds of requests there are."""

import ast
from pathlib import Path

import federation

PLANS = {"Plan", "MiningPlan", "QueryWork", "MiningWork", "QueryKind", "MiningKind"}
ROOT = Path(federation.__file__).parent


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        if "kinds" not in path.parts and str(path.relative_to(ROOT)) not in ALLOWED:
            yield path, ast.parse(path.read_text("utf-8"))


def questions_after_a_kind(tree):
    """Lines that ask what class a plan or work is, or what a request's kind is called."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"isinstance", "type"}
        ):
            named = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            if named & PLANS:
                yield node.lineno
        if isinstance(node, ast.MatchClass) and isinstance(node.cls, ast.Name) and node.cls.id in PLANS:
            yield node.lineno
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Name) and side.id in PLANS for side in sides):
                yield node.lineno
            elif any(isinstance(side, ast.Attribute) and side.attr == "kind" for side in sides):
                owners = [
                    side.value.id
                    for side in sides
                    if isinstance(side, ast.Attribute) and isinstance(side.value, ast.Name)
                ]
                if {"request", "ask", "known", "planned", "work"} & set(owners):
                    yield node.lineno


ALLOWED = {
    "requests/planning.py",  # a request must be of the kind that its caller planned it as
    "training/round_plan.py",  # the same, of a training
}


def test_nothing_outside_the_registry_asks_for_the_kind_of_a_request():
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path, tree in modules()
        for line in questions_after_a_kind(tree)
    ]
    assert found == []


def test_the_search_finds_every_form_of_the_question():
    forms = [
        "isinstance(work.plan, MiningPlan)",
        "type(plan) is Plan",
        "request.kind == 'query'",
        "match plan:\n    case MiningPlan():\n        pass",
    ]
    assert all(list(questions_after_a_kind(ast.parse(form))) for form in forms)
