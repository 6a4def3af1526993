"""Code cites pages that its users have: in this repository, with the rules that they name."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted(
    path
    for folder in ("crossward", "federation", "analytics", "smpc", "privacy_accounting", "examples", "tools")
    for path in (ROOT / folder).rglob("*.py")
)
PAGE = re.compile(r"\bdocs/[\w/.-]*\w")
ELSEWHERE = re.compile(r"\b(DESIGN|PRIVACY|LAYOUT|STYLE)\b")
RULE = re.compile(r"(?:guarantees\.md |\()(P\d+(?:(?:, | to | and )P\d+)*)")
RULES = set(
    re.findall(
        r"\bP\d+\b",
        " ".join(re.findall(r"^## (.*)$", (ROOT / "docs/guarantees.md").read_text(), re.MULTILINE)),
    )
)


@pytest.mark.parametrize("package", sorted({path.relative_to(ROOT).parts[0] for path in CODE}))
def test_every_page_and_rule_that_code_cites_is_in_the_repository(package):
    for path in CODE:
        if path.relative_to(ROOT).parts[0] != package:
            continue
        text = path.read_text("utf-8")
        assert not ELSEWHERE.search(text), path
        for page in PAGE.findall(text):
            decision = re.fullmatch(r"docs/adr/\d{4}", page)  # cited by its number
            assert any(ROOT.glob(f"{page}-*")) if decision else (ROOT / page).exists(), f"{path}: {page}"
        cited = {rule for found in RULE.findall(text) for rule in re.findall(r"P\d+", found)}
        assert cited <= RULES, f"{path}: {cited - RULES}"


def test_the_search_finds_what_it_looks_for():
    assert ELSEWHERE.search("Source:      DESIGN 3b.")
    assert PAGE.findall("see docs/none.md.") == ["docs/none.md"]
    assert RULE.findall("docs/guarantees.md P3, P14 to P16; a rule (P19 i)") == ["P3, P14 to P16", "P19"]
    assert {"P1", "P17", "P18", "P20"} <= RULES
