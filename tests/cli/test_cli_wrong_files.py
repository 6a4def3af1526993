"""A file of another kind is named in one sentence, and no letter of an answer is lost to a terminal's encoding."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from federation.consortium.consortium_file import load_consortium
from federation.consortium.file_format.file_kinds import CONSORTIUM, HELPER, SITE, TASK, TERMS, expect_kind
from federation.consortium.helper_file import load_helper
from federation.consortium.site_file import load_site
from federation.errors import ConfigError
from federation.training.task import load_task
from tests.cli.conftest import crossward, make_folder

TASK_TEXT = 'table = "t"\nfeatures = ["a"]\ntarget = "b"\nepsilon = 1\n'
LOADERS = {CONSORTIUM: load_consortium, SITE: load_site, HELPER: load_helper, TASK: load_task}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp("kinds") / "trial").root
    task = folder / "task.toml"
    task.write_text(TASK_TEXT)
    terms = folder / "terms.toml"
    terms.write_text('name = "x"\nauthority = "a.pem"\n[budgets.p]\nepsilon = "1"\n')
    return {
        CONSORTIUM: folder / "consortium.toml",
        SITE: folder / "sites" / "anna" / "site.toml",
        HELPER: next((folder / "helpers" / "dealer").glob("*.toml")),
        TASK: task,
        TERMS: terms,
    }


@pytest.mark.parametrize("wanted", list(LOADERS))
@pytest.mark.parametrize("given", [CONSORTIUM, SITE, HELPER, TASK, TERMS])
def test_wrong_kind_of_file_is_one_sentence(files, given, wanted):
    if given == wanted:
        LOADERS[wanted](files[given])
        return
    with pytest.raises(ConfigError) as caught:
        LOADERS[wanted](files[given])
    assert len(caught.value.mistakes) == 1
    assert caught.value.mistakes[0].startswith(f"{files[given].name} is {given}; {wanted} is needed here")


def test_wrong_kind_of_file_names_the_right_one_where_it_is_known(files):
    ran = crossward("schema", "-c", files[SITE])
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert "it names ../../consortium.toml" in ran.err


def test_wrong_kind_is_not_guessed_from_a_file_that_might_be_any():
    expect_kind({}, SITE, "x.toml")
    expect_kind({"version": 1, "tables": {}}, CONSORTIUM, "x.toml")


@pytest.mark.parametrize("kind", [CONSORTIUM, SITE, HELPER])
def test_mistakes_in_keys_are_said_in_plain_words(files, tmp_path, kind):
    text = files[kind].read_text()
    file = files[kind].with_name("changed.toml")
    try:
        file.write_text("colour = 3\n" + text.replace("version = 1\n", "", 1))
        with pytest.raises(ConfigError) as caught:
            LOADERS[kind](file)
    finally:
        file.unlink()
    assert "changed.toml: colour: is not a known key" in caught.value.mistakes
    assert "changed.toml: version: is missing" in caught.value.mistakes


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_output_escapes_what_the_terminal_cannot_write(files, encoding):
    program = (
        "import sys\n"
        "from federation.cli.app import app, run\n"
        "@app.command()\n"
        "def letters() -> None:\n"
        "    print('n \\u00b1 \\u4e00')\n"
        "    print('\\u4e01', file=sys.stderr)\n"
        "run(['letters'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        timeout=100,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )
    assert done.returncode == 0, done.stderr
    assert b"\\u4e00" in done.stdout
    assert b"\\u4e01" in done.stderr


# -- what to do next -------------------------------------------------------------------------------------------------------


def test_cli_without_a_consortium_file_what_to_give_is_said(tmp_path):
    for words in (("budget",), ("budget", "-c", tmp_path)):
        ran = crossward(*words)
        assert ran.code in {1, 2}
        assert "-c takes the consortium's folder, as crossward init, found or join made it" in ran.err
    assert "-c takes" not in crossward("budget", "-c", tmp_path / "other.toml").err


def test_cli_a_statistic_that_lacks_an_argument_says_all_that_it_takes(tmp_path):
    ran = crossward("stats", "-c", tmp_path, "chi_square", "a=sex", "--exact")
    assert (ran.code, ran.out) == (2, "")
    assert "b must be given; chi_square takes a=... b=..." in ran.err
    assert "cannot read" in crossward("stats", "-c", tmp_path, "glm", "formula=a ~ b", "--exact").err


def test_cli_a_task_file_without_its_keys_says_which(tmp_path):
    (tmp_path / "task.toml").write_text('model = "logistic_regression"\n')
    ran = crossward("train", tmp_path / "task.toml", "-c", tmp_path)
    assert "features: must be given" in ran.err


def test_cli_every_command_has_its_place_in_the_help():
    shown = crossward("--help").out
    for panel in (
        "Ask questions",
        "Before and after a question",
        "Try it",
        "Found a consortium",
        "Run a node",
    ):
        assert f" {panel}" in shown
    assert " Commands " not in shown
