"""A founding over the network alone: what people type, with the founder's place as a process."""

import json
import re
import signal
import subprocess
import sys

import pytest

from federation.setup.free_ports import free_ports
from tests.cli.conftest import crossward
from tests.setup.founding_world import rows
from tests.setup.setup_world import without_marks

WORDS = re.compile(r"^words: (.*)$", re.MULTILINE)


@pytest.fixture
def site(tmp_path):
    """A founder whose place listens."""
    rows(tmp_path / "a.csv")
    node, place = free_ports(2)
    ran = crossward(
        *("found", tmp_path / "anna", "--site", "anna", "--address", f"127.0.0.1:{node}"),
        *("--data", tmp_path / "a.csv", "--engine", "numpy", "--direct", f"127.0.0.1:{place}"),
        *("--invite", "bert", "--invite", "ada:analyst"),
    )
    assert ran.code == 0, ran.err
    assert f"crossward collect {tmp_path / 'anna'}" in ran.out
    command = [sys.executable, "-c", "from federation.cli import main; main()", "collect", tmp_path / "anna"]
    collect = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
    assert "takes deliveries at" in collect.stdout.readline()
    yield tmp_path, collect
    collect.send_signal(signal.SIGTERM)
    collect.communicate(timeout=20)


def join(root, name, *more):
    invitation = root / "anna" / "invitations" / f"{name}.json"
    return crossward("join", invitation, root / name, *more, "--send", "--wait", "0")


def bert(root):
    return join(root, "bert", "--address", "127.0.0.1:17102", "--data", root / "a.csv", "--engine", "numpy")


def test_cli_direct_founding_from_nothing_to_the_agreement(site):
    root, collect = site
    words = {}
    for name, ran in (("bert", bert(root)), ("ada", join(root, "ada"))):
        assert ran.code == 0, ran.err
        assert "the founder has the answer" in ran.out
        words[name] = WORDS.search(ran.out)[1]
    ran = crossward("admit", root / "anna", "--words", f"bert={words['bert']}")
    assert (ran.code, "waiting for the answers of ada" in ran.out) == (0, True), ran.err
    terms = root / "anna" / "terms.toml"
    terms.write_text(without_marks(terms.read_text()))
    assert crossward("admit", root / "anna", "--words", f"ada={words['ada']}").code == 0
    assert crossward("sign", root / "anna", root / "anna" / "draft.json").code == 0
    ran = bert(root)
    assert f"Next: crossward sign {root / 'bert'} {root / 'bert' / 'draft.json'} --send" in ran.out, ran.err
    signed = ("sign", root / "bert", root / "bert" / "draft.json", "--words", words["bert"])
    ran = crossward(*signed, "--send", "--wait", "0")
    assert f"Next: crossward site serve {root / 'bert' / 'site.toml'}" in ran.out, ran.err
    ran = join(root, "ada")
    assert f"Next: crossward begin {root / 'ada'} {root / 'ada' / 'agreement.json'}" in ran.out
    ran = crossward("begin", root / "ada", root / "ada" / "agreement.json", "--words", words["ada"])
    assert ran.code == 0, ran.err
    out, _ = collect.communicate(timeout=20)
    assert collect.returncode == 0
    assert "all members have the agreement" in out
    assert len({(root / name / "consortium.toml").read_bytes() for name in ("anna", "bert", "ada")}) == 1


def test_cli_direct_refusals_are_sentences(site, tmp_path):
    root, collect = site
    invitation = root / "anna" / "invitations" / "bert.json"
    content = json.loads(invitation.read_bytes())
    changed = invitation.read_text().replace(content["certificate"], "ab" * 32)
    (tmp_path / "forged.json").write_text(changed)
    data = ("--address", "127.0.0.1:17102", "--data", root / "a.csv", "--engine", "numpy")
    ran = crossward("join", tmp_path / "forged.json", root / "forged", *data, "--send", "--wait", "0")
    assert ran.code == 3
    assert "nothing was sent. Call the founder's administrator" in ran.err
    collect.send_signal(signal.SIGTERM)
    out, _ = collect.communicate(timeout=20)
    assert (collect.returncode, "arrived:" in out, "stopped" in out) == (0, False, True)
    ran = bert(root)
    assert ran.code == 1
    assert "cannot be reached; send" in ran.err
    assert crossward("collect", root / "bert").code == 3
    assert crossward("collect", root / "anna", "--listen", "nowhere").code == 2
