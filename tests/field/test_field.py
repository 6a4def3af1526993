"""From nothing to the first joint answer on machines that share no network but the one between them.

The commands are those of docs/several-machines.md, typed as they stand there; only addresses and words are this run's. A
fourth site joins, one renews its certificate, the schema gets a column and one site leaves after the first answer, while an analyst asks: see ``CHANGES``.
"""

import json
import re
import shlex
import subprocess
import threading
import time
import tomllib
from collections import Counter

import pytest

from privacy_accounting.audit.chain_reader import open_file, read_entries
from privacy_accounting.audit.verify import verify
from privacy_accounting.ledger.entries import Entry
from tests.docs.machines import COMMAND, PAGE, check_keys_stayed, section
from tests.field.namespaces import Namespaces, namespaces_are_possible

pytestmark = pytest.mark.slow
MOST_COMMANDS = 5
SITES = ("anna", "bert", "carl")
COUNT = "SELECT COUNT(*) AS n FROM patients"
NOTHING = "nothing was spent"
TERMS = '[tables.patients.columns]\nold = { type = "boolean" }\n'


class Asking(threading.Thread):
    """An analyst who asks all the time, while sites join, renew and leave."""

    def __init__(self, machines):
        super().__init__()
        self.machines, self.over = machines, threading.Event()
        self.answered, self.refused = [], []

    def run(self):
        words = ["query", "-c", "analyst/consortium.toml", COUNT, "--epsilon", "0.01", "--fresh", "--json"]
        while not self.over.is_set():
            ran = subprocess.run(
                [*self.machines.command("ada"), *words],
                cwd=self.machines.root / "ada",
                capture_output=True,
                text=True,
                check=False,
                timeout=100,
            )
            if ran.returncode:
                self.refused.append(ran.stderr)
            else:
                self.answered.append(json.loads(ran.stdout)["receipt"])

    def wait_answer(self):
        """Wait until one more question is answered."""
        number, ends_at = len(self.answered), time.monotonic() + 60
        while len(self.answered) == number:
            assert time.monotonic() < ends_at, self.refused[-3:]
            time.sleep(0.1)

    def stop(self):
        self.over.set()
        self.join(120)


def one_joins(machines):
    machines.join("dora")
    machines.change("A site that joins after the first charge", restart=False)


def one_renews(machines):
    machines.change("Renewing a site's key and certificate")


def all_amend(machines):
    """Every site gives a column more, and the agreement gets it."""
    for name in machines.sites():
        path = machines.root / name / "site" / "site.toml"
        view = tomllib.loads(path.read_text())["tables"]["patients"].get("view", "SELECT * FROM source")
        text = re.sub(r'^view = (""".*?"""|.*?)$\n', "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        more = json.dumps(f"SELECT *, as_number(age) > 60 AS old FROM ({view})")
        path.write_text(text.replace("[tables.patients]\n", f"[tables.patients]\nview = {more}\n"))
    (machines.root / "anna" / "old.toml").write_text(TERMS)
    machines.change("Another schema after the first charge")
    ran = machines.execute("ada", ["schema", "-c", "analyst/consortium.toml", "--json"])
    assert json.loads(ran)["patients"]["columns"]["old"]["type"] == "boolean"


def one_leaves(machines):
    machines.change("A site that leaves")


CHANGES = (
    (one_joins, ("anna", "bert", "carl", "dora")),
    (one_renews, ("anna", "bert", "carl", "dora")),
    (all_amend, ("anna", "bert", "carl", "dora")),
    (one_leaves, ("anna", "bert", "dora")),
)
"""Steps after the first answer, each a function of the running machines, with the sites that answer then."""


@pytest.fixture
def machines(tmp_path):
    why_not = namespaces_are_possible()
    if why_not:
        pytest.skip(f"no network namespaces here: {why_not}")
    made = Namespaces(tmp_path)
    yield made
    made.stop()


def counted(commands):
    counts = Counter(name for name, _ in commands)
    assert set(SITES) <= set(counts)
    assert max(counts.values()) <= MOST_COMMANDS
    return commands


def test_field_by_mail_from_nothing_to_the_first_joint_answer(machines):
    for name, line in counted(COMMAND.findall(PAGE.read_text("utf-8"))):
        machines.run(name, line)
    assert "ledger entry 1, signed by anna, bert, carl" in machines.answer
    check_keys_stayed(machines.root)
    asking = Asking(machines)
    asking.start()
    try:
        asking.wait_answer()
        for change, sites in CHANGES:
            change(machines)
            asking.wait_answer()
            asking.wait_answer()  # this one was asked after the change
            assert asking.answered[-1]["signed_by"] == list(sites)
    finally:
        asking.stop()
    check_ledgers(machines, asking)


def check_ledgers(machines, asking):
    """All ledgers are one; each answer has its charge, and no more was charged than may have been."""
    files = [machines.root / name / "site" / "state" / "ledger.sqlite" for name in ("anna", "bert", "dora")]
    report = verify(files)
    assert report.ok, report.to_dict()
    store = open_file(files[0])
    bodies = [Entry.from_bytes(data).body for data in read_entries(store)]
    store.close()
    changes = [body.content.change for body in bodies if body.kind == "members"]
    assert changes == ["add", "rekey", "lose"]
    assert sum(body.kind == "agreement" for body in bodies) == 1
    charges = [body for body in bodies if body.kind == "charge"][1:]  # but for the first answer
    numbers = {body.number for body in charges}
    answered = {receipt["number"] for receipt in asking.answered}
    assert len(answered) == len(asking.answered)
    assert answered <= numbers
    unsure = [text for text in asking.refused if NOTHING not in text]
    assert len(numbers - answered) <= len(unsure), (numbers - answered, unsure)


def test_field_directly_from_nothing_to_the_first_joint_answer(machines):
    text = PAGE.read_text("utf-8")
    last = [(name, line) for name, line in COMMAND.findall(text) if line.startswith(("site serve", "query"))]
    directly = [(name, line.removeprefix("crossward ")) for name, line in section("Files that go directly")]
    for name, line in counted([*directly, *last]):
        typed(machines, name, line)
    assert "ledger entry 1, signed by anna, bert, carl" in machines.answer
    check_keys_stayed(
        machines.root, among=("anna", "bert", "carl", "ada"), founder=("authority.key", "direct.pem")
    )
    assert [path.name for path in (machines.root / "bert").glob("*.json")] == ["bert.json"]


def typed(machines, name, line):
    """Type one line of the direct founding: what waits goes on beside the next lines, as in terminals of their own."""
    words = shlex.split(machines.given(line))
    if words[0] == "collect":
        assert machines.start(name, words, "takes deliveries").wait(60)
    elif words[0] == "join":
        assert machines.start(name, words, "words: ").wait(60)
        printed = machines.nodes[name, "join"][3]
        machines.words[name] = next(each for each in printed if each.startswith("words: "))[len("words: ") :]
        machines.look(name)
    elif words[0] == "sign" and "--send" in words:
        machines.wait_end(name, "join")
        machines.start(name, words, "signed")
    elif words[0] == "begin":
        for site in ("bert", "carl"):
            assert any("all sites have signed" in each for each in machines.wait_end(site, "sign"))
        machines.wait_end(name, "join")
        machines.execute(name, words)
        assert machines.wait_end("anna", "collect")[-1] == "all members have the agreement"
    elif words[0] == "admit":
        wait_for_answers(machines)
        machines.execute(name, words)
    else:
        machines.run(name, line)


def wait_for_answers(machines):
    """What the founder sees before the telephone calls: each answer has arrived."""
    printed = machines.nodes["anna", "collect"][3]
    while sum("arrived: call" in each for each in printed) < len(machines.words):
        assert machines.nodes["anna", "collect"][0].poll() is None, printed
        time.sleep(0.1)
