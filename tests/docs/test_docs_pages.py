"""Documentation pages: their code runs, their links resolve, and the tests that they name exist."""

import re
import typing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "README.zh.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
TEST = re.compile(r"`(tests/[\w./]+)(?:::(\w+))?`")


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/walkthrough.md",
        "docs/choose-epsilon.md",
        "docs/cubes.md",
        "docs/harmonising.md",
        "docs/omop.md",
        "docs/publishing.md",
        "docs/images.md",
        "docs/mining.md",
        "docs/quality.md",
        "docs/signals.md",
        "docs/your-own-data.md",
    ],
)
def test_the_code_of_a_page_runs(page, capsys):
    blocks = CODE.findall((ROOT / page).read_text("utf-8"))
    assert blocks
    space = {}
    for block in blocks:
        exec(compile(block, page, "exec"), space)  # noqa: S102


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_tests_named_exist(page):
    text = page.read_text("utf-8")
    for target in LINK.findall(text):
        assert (page.parent / target).exists(), target
    for path, name in TEST.findall(text):
        assert (ROOT / path).exists(), path
        if name:
            assert f"def {name}(" in (ROOT / path).read_text("utf-8"), f"{path}::{name}"


def test_every_message_on_a_line_is_listed_with_its_fields():
    from federation.protocol import codec

    listed = re.findall(
        r"^\| (\w+) \| [^|]+ \| ([\w, ]*) \|", (ROOT / "docs/wire-format.md").read_text("utf-8"), re.MULTILINE
    )
    for message in typing.get_args(codec.Message):
        assert (codec.name_on_wire(message), ", ".join(message.__struct_fields__)) in [
            (n, f.strip()) for n, f in listed
        ]
