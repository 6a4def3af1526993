"""The tutorials: each is typed as it stands and gives what it shows; the Chinese ones have the same blocks."""

import functools
import itertools
import shlex
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import crossward
from tools.tutorial import Command, File, agrees, run_page, steps_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROLES = ["analyst", "author", "auditor", "administrator"]


def steps(*parts):
    return steps_of(DOCS.joinpath(*parts).read_text("utf-8"))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", ROLES)
def test_a_tutorial_gives_what_it_shows(role):
    done = run_page(DOCS / "tutorials" / f"{role}.md", Path(sys.prefix) / "bin")
    assert done.commands >= 10
    assert not done.differences, "\n".join(done.differences)


@pytest.mark.parametrize("role", ROLES)
def test_the_chinese_tutorial_has_the_same_files_commands_and_outputs(role):
    assert steps("zh", "tutorials", f"{role}.md") == steps("tutorials", f"{role}.md")


def test_readme_in_chinese_has_the_same_code():
    english, chinese = ((DOCS.parent / name).read_text("utf-8") for name in ("README.md", "README.zh.md"))
    blocks = [block for block in english.split("```") if block.startswith("python\n")]
    assert blocks == [block for block in chinese.split("```") if block.startswith("python\n")]


@functools.cache
def help_of(*words):
    """What a command's help says; nothing where there is no such command."""
    ran = crossward(*words, "--help")
    return ran.out if ran.code == 0 else ""


@pytest.mark.parametrize("role", ROLES)
def test_every_command_of_a_tutorial_has_its_options(role):
    lines = [step.line for step in steps("tutorials", f"{role}.md") if isinstance(step, Command)]
    for line in {line for line in lines if line.startswith("crossward ")}:
        words = shlex.split(line.split(" # ")[0])[1:]
        name = list(itertools.takewhile(lambda word: word.isidentifier() or "-" in word[1:], words))
        text = next(text for end in (3, 2, 1) if len(name) >= end and (text := help_of(*name[:end])))
        for option in (word for word in words if word.startswith("--")):
            assert option in text, line


def test_blocks_are_read_as_the_page_means_them():
    page = "Write this into `a/b.toml`:\n\n```toml\nx = 1\n```\n\n```console noisy\n$ one\nout 1\n$ two\n```\n\n```python\nno_name\n```\n"
    assert steps_of(page) == [
        File("a/b.toml", "x = 1\n"),
        Command("one", ["out 1"], noisy=True),
        Command("two", [], noisy=True),
    ]


@pytest.mark.parametrize(
    ("shown", "printed", "noisy", "equal"),
    [
        (["a 12"], ["a 12"], False, True),
        (["a 12"], ["a 13"], False, False),
        (["a 12"], ["a -13.5"], True, True),
        (["a 12"], ["b 12"], True, False),
        (["a 12"], ["a 12", "b"], False, False),
        (["a 12"], [], True, False),
        (["...", "end"], ["x", "y", "end"], False, True),
        (["...", "end"], ["x", "y"], False, False),
        (["made .../trial"], ["made /tmp/x/trial"], False, True),
        (["made .../trial"], ["made /tmp/x/other"], False, False),
        (["│ a │"], ["│  a  │"], False, True),
        (["done", "..."], ["done"], False, True),
        (["1.5"], ["1x5"], False, False),
    ],
)
def test_output_is_compared_word_for_word_but_for_gaps_and_noise(shown, printed, noisy, equal):
    assert agrees(shown, printed, noisy=noisy) is equal


def test_every_page_is_in_the_table_of_contents_of_the_site():
    contents = (DOCS / "index.md").read_text("utf-8") + (DOCS / "adr" / "README.md").read_text("utf-8")
    for page in DOCS.rglob("*.md"):
        name = page.stem if page.parent.name == "adr" else str(page.relative_to(DOCS).with_suffix(""))
        if name not in {"index", "README"}:
            assert f"\n{name}\n" in contents, page


def test_every_term_of_the_glossary_has_its_chinese_name():
    for line in (DOCS / "glossary.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and not set(line) <= set("|- "):
            assert len(cells) == 3, line
            assert all(cells), line
