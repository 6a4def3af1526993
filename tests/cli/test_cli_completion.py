"""What the shell completes: tables, columns, values, statistics; never an error."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from federation.cli import completion
from tests.cli.conftest import make_folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("complete") / "here")


@pytest.fixture
def context(folders):
    return SimpleNamespace(params={"consortium": folders.root})


def test_cli_completes_the_names_of_the_consortium_file(context):
    assert completion.tables(context, "") == ["visits"]
    assert completion.tables(context, "x") == []
    assert completion.columns(context, "") == ["age", "sex", "chol", "hidden"]
    assert completion.items(context, "s") == ["sex"]
    assert completion.items(context, "sex=") == ["sex=0", "sex=1"]
    assert completion.items(context, "age=") == []
    assert completion.measures(context, "AVG") == ["AVG(age)", "AVG(chol)"]
    assert completion.fits(context, "a") == ["age="]
    assert "age=median" in completion.fits(context, "age=")


def test_cli_completes_statistics_and_their_arguments(context):
    assert [name for name, _ in completion.statistics("chi_sq")] == ["chi_square"]
    context.params["name"] = "chi_square"
    assert {"a=", "b="} <= set(completion.arguments(context, ""))
    assert completion.arguments(context, "a=s") == ["a=sex"]
    assert completion.arguments(context, "columns=age,h") == ["columns=age,hidden"]
    context.params["name"] = "nothing"
    assert completion.arguments(context, "") == []


@pytest.mark.parametrize("place", [None, "/none.toml", "folder"])
def test_cli_without_a_readable_file_nothing_is_completed(place, tmp_path, monkeypatch):
    monkeypatch.delenv(completion.FILE, raising=False)
    (tmp_path / "consortium.toml").write_text("version = ")
    context = SimpleNamespace(params={"consortium": tmp_path if place == "folder" else place})
    for complete in (completion.tables, completion.columns, completion.items, completion.measures):
        assert complete(context, "") in ([], ["COUNT(*)"])


def test_cli_the_file_may_come_from_the_environment(folders, monkeypatch):
    monkeypatch.setenv(completion.FILE, str(folders.root))
    assert completion.tables(SimpleNamespace(params={}), "v") == ["visits"]


def test_cli_the_shell_asks_as_a_process(folders):
    line = f"crossward mine -c {folders.root} sex="
    changes = {"_CROSSWARD_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "4"}
    code = "import sys; sys.argv[0] = 'crossward'; from federation.cli import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | changes, capture_output=True, text=True, check=False
    )
    assert ran.stdout.split() == ["sex=0", "sex=1"], ran.stderr
