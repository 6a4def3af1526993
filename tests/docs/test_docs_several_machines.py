"""The page on several machines: its commands run in order, each member in a folder of its own, with real nodes."""

import configparser
import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest

from federation.consortium.site_file import SiteFile
from federation.setup.free_ports import free_ports
from tests.cli.conftest import crossward
from tests.setup.founding_world import World
from tests.setup.setup_world import without_marks

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "several-machines.md"
HEART = ROOT / "federation" / "demo" / "data" / "heart_disease"
COMMAND = re.compile(r"^    (\w+)\$ crossward (.*)$", re.MULTILINE)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SENT = re.compile(r"send (\S+) to (.*?)(?:;|$)", re.MULTILINE)
MACHINES = ("anna", "bert", "carl", "ada", "vera")
READY_S = 40


class Machines:
    """A folder for each member; only what a command says to send is copied from one to another."""

    def __init__(self, root):
        self.root = root
        self.words = {}
        self.nodes = {}
        self.answer = None
        ports = dict(zip(MACHINES, free_ports(len(MACHINES)), strict=True))
        self.addresses = {f"{name}.example:7843": f"127.0.0.1:{port}" for name, port in ports.items()}
        for name in MACHINES:
            (root / name).mkdir()
        for name, file in zip(MACHINES, "abc", strict=False):
            shutil.copy(HEART / "cleveland.csv", root / name / f"{file}.csv")

    def given(self, line):
        """The page's line, with what only this run knows."""
        for written, real in self.addresses.items():
            line = line.replace(written, real)
        return re.sub(r"WORDS OF (\w+)", lambda found: self.words[found[1]], line)

    def run(self, name, line, monkeypatch):
        monkeypatch.chdir(self.root / name)
        words = shlex.split(self.given(line))
        if words[:2] == ["site", "serve"]:
            self.serve(name, words)
            return
        if words[0] == "query":
            self.wait_ready()
        ran = crossward(*words)
        assert ran.code == 0, (name, line, ran.out, ran.err)
        if words[0] in {"found", "join"}:
            self.look(name)
        if words[0] == "join":
            self.words[name] = re.search(r"^words: (.*)$", ran.out, re.MULTILINE)[1]
        if words[0] == "query":
            self.answer = ran.out
        self.mail(name, ran.out)

    def look(self, name):
        """What the page asks of a person: guesses corrected; and numpy, which starts sooner than torch."""
        for path in (self.root / name).glob("site/terms.toml"):
            path.write_text(without_marks(path.read_text()))
        for path in (self.root / name).glob("site/site.toml"):
            path.write_text(path.read_text().replace('engine = "crypten"', 'engine = "numpy"'))

    def mail(self, sender, text):
        for path, to in SENT.findall(text):
            if to == "the founder":
                members = ["anna"]
            elif to.startswith("all"):
                members = list(MACHINES)
            else:
                members = [to]
            for member in set(members) - {sender}:
                shutil.copy(self.root / sender / path, self.root / member)

    def serve(self, name, words):
        command = [sys.executable, "-c", "from federation.cli import main; main()", *words]
        log = (self.root / f"{name}.log").open("wb")
        node = subprocess.Popen(command, cwd=self.root / name, stdout=subprocess.PIPE, stderr=log, text=True)
        log.close()
        ready = threading.Event()

        def read():
            for line in node.stdout:
                if line.strip() == "ready":
                    ready.set()

        reader = threading.Thread(target=read)
        reader.start()
        self.nodes[name] = (node, ready, reader)

    def wait_ready(self):
        for name, (_, ready, _reader) in self.nodes.items():
            assert ready.wait(READY_S), (name, (self.root / f"{name}.log").read_text())

    def stop(self):
        for node, _, _ in self.nodes.values():
            node.terminate()
        for node, _, reader in self.nodes.values():
            node.wait(20)
            reader.join(20)
            node.stdout.close()


def test_the_commands_of_the_page_lead_three_machines_from_nothing_to_a_joint_answer(tmp_path, monkeypatch):
    commands = COMMAND.findall(PAGE.read_text("utf-8"))
    counts = {name: sum(machine == name for machine, _ in commands) for name in MACHINES}
    assert set(counts) == {machine for machine, _ in commands}
    assert max(counts.values()) <= 5
    machines = Machines(tmp_path)
    try:
        for name, line in commands:
            machines.run(name, line, monkeypatch)
        asked = crossward(
            "query", "-c", "auditor/consortium.toml", "SELECT COUNT(*) AS n FROM patients", "--epsilon", "1"
        )
        assert asked.code == 1
        assert "only an analyst can send this message; nothing was spent" in asked.err
    finally:
        machines.stop()
    assert "ledger entry 1, signed by anna, bert, carl" in machines.answer
    check_keys_stayed(tmp_path)


def test_the_commands_in_blocks_have_their_options():
    """What is typed later than the beginning; tests/setup/test_correcting.py walks through it."""
    found = [
        shlex.split(line.split("$ crossward ", 1)[1])
        for kind, block in BLOCK.findall(PAGE.read_text("utf-8"))
        if kind == "console"
        for line in block.splitlines()
    ]
    assert len(found) > 8
    for words in found:
        ran = crossward(*itertools.takewhile(lambda word: not word.startswith("--"), words), "--help")
        assert ran.code == 0, words
        for option in (word for word in words if word.startswith("--")):
            assert option in ran.out, words


def check_keys_stayed(root):
    """Each machine holds its own private key and no other's, and nothing of another's data."""
    for name in MACHINES:
        keys = [
            path
            for path in (root / name).rglob("*")
            if path.is_file() and b"PRIVATE KEY" in path.read_bytes()
        ]
        assert {path.name for path in keys} == {f"{name}.pem"} | (
            {"authority.key"} if name == "anna" else set()
        )
    assert [path.name for path in (root / "bert").rglob("*.csv")] == ["b.csv"]


def test_every_block_of_the_page_is_read_by_its_reader():
    blocks = dict(BLOCK.findall(PAGE.read_text("utf-8")))
    listen = tomllib.loads(blocks["toml"])
    assert set(listen) <= set(SiteFile.model_fields)
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read_string(blocks["ini"])
    assert set(unit.sections()) == {"Unit", "Service", "Install"}
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/crossward")
    assert crossward(*words[:2], "--help").code == 0
    assert unit["Service"]["User"] == "crossward"
    assert words[2].startswith(unit["Service"]["ReadWritePaths"])


@pytest.mark.parametrize("command", ["found", "invite", "join", "admit", "sign", "begin"])
def test_every_command_of_the_founding_is_on_the_page(command):
    assert f"crossward {command} " in PAGE.read_text("utf-8")
    assert crossward(command, "--help").code == 0


def test_every_file_of_a_founding_is_listed_with_its_fields(tmp_path):
    """The page on the formats against the files of a founding that was run."""
    world = World(root=tmp_path)
    world.to_agreement()
    page = (ROOT / "docs" / "wire-format.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| `(crossward/[\w/-]+)` \| [^|]+ \| ([\w, ]+) \|", page, re.MULTILINE))
    found = {}
    for path in world.exchanged():
        content = json.loads(path.read_bytes())
        name = content.pop("format")
        found[name] = set(content)
    assert found == {name: set(fields.split(", ")) for name, fields in listed.items()}
