import contextlib
import functools
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.main import get_command

from federation.cli.app import app, run
from federation.processes.launcher import Launcher
from federation.setup.create import create_consortium
from tests.setup.setup_world import make_sites, make_terms
from tools import json_schemas

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = """
[tables.visits]
privacy_unit = "row"
rows_max = 1000
max_sites_per_unit = 1
exact_dimensions = ["sex", "hidden"]

[tables.visits.columns]
age = { type = "numeric", lower = 0, upper = 120, resolution = 1, bins = [0, 40, 60, 120] }
sex = { type = "categorical", domain = [0, 1] }
chol = { type = "numeric", lower = 0, upper = 700, resolution = 1, guessed = true }
hidden = { type = "boolean" }
"""
VIEW = "SELECT age, sex, chol, as_number(num) > 3 AS hidden FROM source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    code: int
    out: str
    err: str


def crossward(*arguments):
    """One command in this process, with its exit code and both streams."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            run([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code or 0
    check_document([str(argument) for argument in arguments], out.getvalue())
    return Ran(code=code, out=out.getvalue(), err=err.getvalue())


@functools.cache
def _validator(section):
    return Draft202012Validator(json_schemas.schemas()[section])


@functools.cache
def _commands():
    return get_command(app)


def section(arguments):
    """The section of docs/reference/json.md that a command line prints."""
    group, words = _commands(), []
    for argument in arguments:
        if argument.startswith("-") or argument not in getattr(group, "commands", {}):
            break
        words.append(argument)
        group = group.commands[argument]
    options = {argument.split("=")[0] for argument in arguments}
    if words == ["stats"] and (len(arguments) == 2 or "--list" in options):
        options.add("--list")
    return json_schemas.section_of(words, options)


def check_document(arguments, out):
    """Every document that any test prints with --json fits its schema."""
    if "--json" not in arguments or not out.strip():
        return
    found = list(_validator(section(arguments)).iter_errors(json.loads(out)))
    assert not found, (arguments[:2], [f"{list(each.path)}: {each.message[:300]}" for each in found[:3]])


def spawned(*arguments, **changes):
    """One command as people run it."""
    command = [sys.executable, "-c", "from federation.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=100, env=os.environ | changes
    )
    return Ran(code=done.returncode, out=done.stdout, err=done.stderr)


def make_folder(path, **changes):
    from federation.setup.settings import SiteSetup, TableSetup

    base = make_sites("anna", "bert", "carl")
    sites = {
        name: SiteSetup(
            tables={"visits": TableSetup(source=each.tables["visits"].source, view=VIEW)},
            policy={"exact": True, "exact_requests_per_analyst": 50, "largest_epsilon": "2"},
            engine="numpy",
        )
        for name, each in base.items()
    }
    return create_consortium(path, terms=make_terms(schema=SCHEMA, deadline_s="4", **changes), sites=sites)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """Three sites and a dealer as processes; shared by the tests of a module."""
    folders = make_folder(tmp_path_factory.mktemp("cli") / "here")
    with Launcher(folders):
        yield folders


@pytest.fixture(scope="module", autouse=True)
def _one_key(one_key_for_all):
    """Consortia that are made here share a key."""
