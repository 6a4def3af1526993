"""From nothing to the first joint answer on machines that share no network but the one between them.

The commands are those of docs/several-machines.md, typed as they stand there; only addresses and words are this run's. A
fourth site that joins, one that renews its certificate and one that leaves follow the first answer: see ``CHANGES``.
"""

import shlex
import time
from collections import Counter

import pytest

from tests.docs.machines import COMMAND, PAGE, check_keys_stayed, section
from tests.field.namespaces import Namespaces, namespaces_are_possible

pytestmark = pytest.mark.slow
MOST_COMMANDS = 5
SITES = ("anna", "bert", "carl")
CHANGES = ()
"""Steps after the first answer, each a function of the running machines; with ``Namespaces.join_network`` for a new one."""


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
    for change in CHANGES:
        change(machines)


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
