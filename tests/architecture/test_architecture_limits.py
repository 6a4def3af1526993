"""Architecture limits: file sizes, the modules that may open secrets, and constructs that no module may use."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("privacy_accounting", "smpc", "analytics", "federation")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MOST_LINES, MOST_FUNCTION_LINES, MOST_FILES = 450, 60, 16


def functions(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            doc = ast.get_docstring(node)
            yield node.name, node.end_lineno - node.lineno + 1 - (len(doc.splitlines()) if doc else 0)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path):
    assert path.read_text("utf-8").count("\n") <= MOST_LINES
    assert [(name, lines) for name, lines in functions(path) if lines > MOST_FUNCTION_LINES] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_input_is_checked_by_assert_and_nothing_is_unpickled(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    names = {
        (name.name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert not names & {"pickle", "dill", "cloudpickle", "marshal", "shelve"}


def test_only_listed_modules_open_shares_and_ciphertexts():
    opening = re.compile(r"\.(get_plain_text|reveal)\(|\breveal_to_all\(|\bblinded_share\(|Decryptor\(")
    allowed = {
        "analytics/disclosure/release.py",
        "federation/aggregation/open_sum.py",
        "smpc/operations/reveal.py",
        "federation/paillier/decrypt.py",
    }
    found = {
        str(path.relative_to(ROOT))
        for path in FILES
        if opening.search(path.read_text("utf-8")) and not path.is_relative_to(ROOT / "smpc" / "engine")
    }
    assert found <= allowed


def test_every_package_names_its_subpackages():
    for package in PACKAGES:
        text = (
            (ROOT / package / "__init__.py").read_text("utf-8")
            if (ROOT / package / "__init__.py").exists()
            else ""
        )
        subpackages = [path.name for path in (ROOT / package).iterdir() if (path / "__init__.py").exists()]
        assert [subpackage for subpackage in subpackages if subpackage not in text] == [], package


def test_no_folder_holds_more_files_than_a_reader_looks_over():
    folders = {path.parent for path in (*FILES, *(ROOT / "tests").rglob("*.py"))}
    full = {
        str(folder.relative_to(ROOT)): count
        for folder in folders
        if (count := len([each for each in folder.glob("*.py") if each.name != "__init__.py"])) > MOST_FILES
    }
    assert full == {}
