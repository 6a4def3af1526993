"""The operator's page: its commands run in order on real nodes, and the program reads its settings."""

import itertools
import re
import shlex
import shutil
import textwrap
import tomllib
from pathlib import Path

import psutil
import pytest

from federation.consortium.folders import Folders
from federation.consortium.ledger_location import LedgerLocation
from federation.processes.stop import stop_nodes
from tests.cli.conftest import crossward, spawned
from tests.setup.setup_world import without_marks

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operations.md"
HEART = ROOT / "federation" / "demo" / "data" / "heart_disease"
COMMAND = re.compile(r"^    (crossward .*)$", re.MULTILINE)
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
TERMS = re.compile(r"^(    minimum_cell = 12\n.*?)\n\n(?=\S)", re.MULTILINE | re.DOTALL)
AGE = 'age = { type = "numeric", lower = 0, upper = 120, resolution = 1, bins = [0, 40, 60, 120] }'
COUNT = "SELECT COUNT(*) AS n FROM patients"


def test_the_settings_of_the_page_are_read():
    (text,) = TOML.findall(PAGE.read_text("utf-8"))
    place = LedgerLocation.model_validate(tomllib.loads(text)["ledger"])
    assert place.schema_name == "crossward_anna"
    assert place.snapshot_every == LedgerLocation().snapshot_every == 1000


def a_person_looks(folder):
    """What the page asks of a person, and what a year does: guesses corrected, and entries that are old."""
    agreement = folder / "consortium.toml"
    text = without_marks(agreement.read_text())
    text = re.sub(r"^age = .*$", AGE, text, flags=re.MULTILINE)
    agreement.write_text(
        re.sub(r"^exact_dimensions = .*$", 'exact_dimensions = ["sex"]', text, flags=re.MULTILINE)
    )
    site = folder / "sites" / "anna" / "site.toml"
    site.write_text(site.read_text() + "\n[ledger]\nsnapshot_every = 2\n")


def smokers_are_noted(folder):
    """What the page asks of a person before the agreement is changed: the terms, and a column more in each file and view."""
    (terms,) = TERMS.findall(PAGE.read_text("utf-8"))
    (folder / "smoker.toml").write_text(textwrap.dedent(terms))
    for name in "abc":
        path = folder.parent / f"{name}.csv"
        head, *rows = path.read_text("utf-8").splitlines()
        lines = [f"{head},smoker", *(f"{row},{number % 2}" for number, row in enumerate(rows))]
        path.write_text("\n".join(lines) + "\n", "utf-8")
    for site in (folder / "sites").glob("*/site.toml"):
        site.write_text(
            site.read_text("utf-8").replace("\nFROM source", ',\n  "smoker"\nFROM source'), "utf-8"
        )


def lose(folder, site):
    """A machine burns down."""
    node = psutil.Process(int((folder / "run" / f"{site}.pid").read_text()))
    node.kill()
    node.wait(10)


def ask(epsilon="0.1"):
    ran = crossward("query", "-c", "consortium.toml", COUNT, "--epsilon", epsilon)
    assert ran.code == 0, ran.err


def test_every_command_of_the_page_has_its_options():
    """They are run in their order in ``make slow-processes``."""
    for command in COMMAND.findall(PAGE.read_text("utf-8")):
        words = shlex.split(command)[1:]
        name = itertools.takewhile(lambda word: not word.startswith("--"), words)
        ran = crossward(*name, "--help")
        assert ran.code == 0, command
        for option in (word.split("=")[0] for word in words if word.startswith("--")):
            assert option in ran.out, command


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_commands_of_the_page_run_in_their_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        shutil.copy(HEART / "cleveland.csv", f"{name}.csv")
    commands = COMMAND.findall(PAGE.read_text("utf-8"))
    assert len(commands) > 25
    folder = tmp_path / "trial"
    try:
        for command in commands:
            words = shlex.split(command.replace("--older-than 365", "--older-than 0"))[1:]
            if words[0] == "down":
                for _ in range(3):
                    ask()  # so that there is something to snapshot, and to archive
            if "change-agreement" in words:
                smokers_are_noted(folder)
            if "remove-site" in words:
                lose(folder, "carl")
            ran = (spawned if words[0] == "up" else crossward)(*words)
            assert ran.code == 0, (command, ran.out, ran.err)
            if words[:3] == ["ledger", "apply", "smoker.json"]:  # the page says: restart
                stop_nodes(Folders(root=folder))
                assert spawned("up", ".", "--detach").code == 0
            if words[0] == "init":
                a_person_looks(folder)
                monkeypatch.chdir(folder)
        left = crossward("ledger", "show", "sites/bert/site.toml").out
        assert "members: anna, bert; sequencer: bert" in left
        assert "epsilon 8" in left
    finally:
        stop_nodes(Folders(root=folder))
