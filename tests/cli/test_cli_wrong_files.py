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
