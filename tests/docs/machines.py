"""Machines on which the page on several machines is typed: a folder for each member, and what a person does by hand."""

import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from federation.setup.free_ports import free_ports
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from tests.cli.conftest import crossward
from tests.setup.setup_world import without_marks

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "several-machines.md"
HEART = ROOT / "federation" / "demo" / "data" / "heart_disease"
COMMAND = re.compile(r"^    (\w+)\$ crossward (.*)$", re.MULTILINE)
CONSOLE = re.compile(r"^(\w+)\$ (.*)$", re.MULTILINE)
SENT = re.compile(r"send (\S+) to (.*?)(?:;|$)", re.MULTILINE)
MACHINES = ("anna", "bert", "carl", "ada", "vera")
READY_S = 110
CROSSWARD = (sys.executable, "-c", "from federation.cli import main; main()")


class Machines:
    """A folder for each member; only what a command says to send is copied from one to another."""

    def __init__(self, root):
        self.root = root
        self.words = {}
        self.nodes = {}
        self.restarted = {}
        self.answer = None
        self.addresses = self.places()
        for name in MACHINES:
            (root / name).mkdir()
        for name, file in zip(MACHINES, "abc", strict=False):
            shutil.copy(HEART / "cleveland.csv", root / name / f"{file}.csv")

    def places(self):
        """The address that each machine has here, by the one on the page."""
        ports = dict(zip(MACHINES, free_ports(len(MACHINES)), strict=True))
        return {f"{name}.example:7843": f"127.0.0.1:{port}" for name, port in ports.items()}

    def command(self, name):
        """What stands before the words of a command that is a process of its own on a machine."""
        del name
        return list(CROSSWARD)

    def execute(self, name, words, monkeypatch):
        """Run a command to its end; return what it printed."""
        monkeypatch.chdir(self.root / name)
        ran = crossward(*words)
        assert ran.code == 0, (name, words, ran.out, ran.err)
        return ran.out

    def given(self, line):
        """The page's line, with what only this run knows."""
        for written, real in self.addresses.items():
            line = line.replace(written, real)
        return re.sub(r"WORDS OF (\w+)", lambda found: self.words[found[1]], line)

    def run(self, name, line, monkeypatch=None):
        words = shlex.split(self.given(line))
        if words[:2] == ["site", "serve"]:
            self.start(name, words, "ready")
            self.wait_read(name)
            return
        if words[0] == "query":
            self.wait_ready()
        out = self.execute(name, words, monkeypatch)
        if words[0] in {"found", "join"}:
            self.look(name)
        if words[0] == "join":
            self.words[name] = re.search(r"^words: (.*)$", out, re.MULTILINE)[1]
        if words[0] == "query":
            self.answer = out
        self.mail(name, out)
        if "--out" in words:
            self.send(name, words[words.index("--out") + 1])

    def type(self, name, line, monkeypatch=None):
        """Type one line of a block: a command of the program, or one on its service."""
        program, _, rest = line.partition(" ")
        if program == "crossward":
            if not rest.startswith("site serve"):
                self.wait_restarted()
            self.run(name, rest, monkeypatch)
        elif rest == "restart crossward":
            self.restart(name)
        else:
            assert (program, rest) == ("systemctl", "stop crossward")
            self.end(name)

    def join(self, name, data="cleveland.csv"):
        """Connect one machine more, with the data file that its command names."""
        (self.root / name).mkdir()
        shutil.copy(HEART / data, self.root / name / f"{name[0]}.csv")
        self.addresses[f"{name}.example:7843"] = f"127.0.0.1:{free_ports(1)[0]}"

    def sites(self):
        """Machines whose site runs."""
        return [name for name, command in self.nodes if command == "site"]

    def change(self, title, monkeypatch=None, *, restart=True):
        """Type the blocks of a section about a change of the sites; what they say of three sites is done at every site.

        Args:
            title: of the section.
            monkeypatch: for commands in this process.
            restart: whether all nodes are restarted after the entry.
        """
        approved, restarted = set(), set()
        for name, line in section(title):
            words = line.split()
            if words[1:3] == ["ledger", "approve"]:
                approved.add(name)
            if words[1:3] == ["ledger", "apply"]:
                for other in set(self.sites()) - approved:
                    self.run(other, f"ledger approve site/site.toml {words[3]}", monkeypatch)
                restarted.clear()
            self.type(name, line, monkeypatch)
            if words[1] == "restart":
                restarted.add(name)
        for other in set(self.sites()) - restarted if restart else ():
            self.restart(other)
        self.wait_ready()
        self.send_members()

    def restart(self, name):
        """Restart a node; ``wait_restarted`` waits for it, so that nodes that restart together hear each other at once."""
        self.end(name)
        self.restarted[name] = self.start(name, ["site", "serve", "site/site.toml"], "ready")

    def wait_restarted(self):
        for name, ready in self.restarted.items():
            assert ready.wait(READY_S), (name, (self.root / f"{name}.log").read_text())
        self.restarted.clear()

    def end(self, name):
        node, _, reader, _ = self.nodes.pop((name, "site"))
        node.terminate()
        assert node.wait(20) == 0
        reader.join(20)
        node.stdout.close()

    def wait_read(self, name):
        """Wait until a site that joins later has read the ledger of the others."""
        if not (self.root / name / "site" / "admission.json").exists():
            return
        height = kept_entries(self.root / "anna")
        ends_at = time.monotonic() + READY_S
        while kept_entries(self.root / name) < height:
            assert time.monotonic() < ends_at, (self.root / f"{name}.log").read_text()
            time.sleep(0.05)

    def send(self, sender, file):
        """Bring a file to all other machines."""
        for folder in self.root.iterdir():
            if folder.is_dir() and folder.name != sender:
                shutil.copy(self.root / sender / file, folder)

    def send_members(self, sender="anna"):
        """What the page asks for after a change of the sites: the entries, for those who hold no ledger."""
        for name, folder in (("ada", "analyst"), ("vera", "auditor")):
            shutil.copy(self.root / sender / "site" / "members.json", self.root / name / folder)

    def look(self, name):
        """What the page asks of a person: guesses corrected, exact answers allowed; and numpy, which starts sooner than torch."""
        for path in (self.root / name).glob("site/terms.toml"):
            text = without_marks(path.read_text())
            path.write_text(text.replace("exact_dimensions = []", 'exact_dimensions = ["sex"]'))
        for path in (self.root / name).glob("site/site.toml"):
            text = path.read_text().replace('engine = "crypten"', 'engine = "numpy"')
            path.write_text(text.replace("exact = false", "exact = true"))

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

    def start(self, name, words, mark):
        """Start a command that goes on; ``wait_ready`` waits until each has printed a line that begins with its mark."""
        log = (self.root / f"{name}.log").open("ab")
        command = [*self.command(name), *words]
        node = subprocess.Popen(command, cwd=self.root / name, stdout=subprocess.PIPE, stderr=log, text=True)
        log.close()
        ready, printed = threading.Event(), []

        def read():
            for line in node.stdout:
                printed.append(line.strip())
                if line.startswith(mark):
                    ready.set()

        reader = threading.Thread(target=read)
        reader.start()
        self.nodes[name, words[0]] = (node, ready, reader, printed)
        return ready

    def wait_ready(self):
        for (name, _), (_, ready, *_rest) in self.nodes.items():
            assert ready.wait(READY_S), (name, (self.root / f"{name}.log").read_text())

    def wait_end(self, name, command):
        """Wait until a command that goes on has ended by itself; return what it printed."""
        node, _, reader, printed = self.nodes.pop((name, command))
        assert node.wait(READY_S) == 0, (name, printed, (self.root / f"{name}.log").read_text())
        reader.join(20)
        node.stdout.close()
        return printed

    def stop(self):
        for node, *_ in self.nodes.values():
            node.terminate()
        for node, _, reader, _ in self.nodes.values():
            node.wait(20)
            reader.join(20)
            node.stdout.close()


def kept_entries(machine):
    """How many entries a machine's ledger holds; it may be written now."""
    path = machine / "site" / "state" / "ledger.sqlite"
    if not path.exists():
        return 0
    try:
        store = SqliteStore.read_only(path)
    except LedgerRefusedError:  # its tables are being made
        return 0
    try:
        return store.height()
    finally:
        store.close()


def section(title):
    """The lines of the blocks of one section of the page: machine and command line."""
    text = PAGE.read_text("utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    return CONSOLE.findall(text)


def check_keys_stayed(root, among=MACHINES, founder=("authority.key",)):
    """Each machine holds its own private key and no other's, and nothing of another's data."""
    for name in among:
        keys = [
            path
            for path in (root / name).rglob("*")
            if path.is_file() and b"PRIVATE KEY" in path.read_bytes()
        ]
        expected = {f"{name}.pem"} | (set(founder) if name == "anna" else set())
        assert {path.name for path in keys} == expected
    assert [path.name for path in (root / "bert").rglob("*.csv")] == ["b.csv"]
