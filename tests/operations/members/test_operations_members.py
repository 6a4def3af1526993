"""An analyst and an auditor join a running consortium and leave it: typed as people do, with real nodes that are not restarted."""

import json
import shutil
import time

import pytest

from tests.cli.conftest import crossward, make_folder
from tests.operations.operations_world import COUNT, SITES, ask, kinds, ledger, running, whole


def done(*arguments):
    ran = crossward(*arguments)
    assert (ran.code, ran.err) == (0, ""), ran
    return ran.out


def newcomer(folders, path):
    """A folder on the new member's own machine, with what an administrator sends."""
    path.mkdir()
    for name in ("consortium.toml", "authority/authority.pem", "members.json"):
        source = folders.root / name
        if source.exists():
            target = path / name
            target.parent.mkdir(exist_ok=True)
            shutil.copy(source, target)
    return path


def enrolled(folders, path, name, role):
    """Key made there, certified by the founder; nothing is changed yet."""
    home = newcomer(folders, path / name)
    request, certificate = path / f"{name}.enrolment.json", path / f"{name}.certificate.json"
    said = done("enrol", home, f"{name}:{role}", "--out", request)
    words = said.split("words: ")[1].strip()
    done("certify", folders.root, request, "--words", words, "--out", certificate)
    done("enrol", home, f"{name}:{role}", "--certificate", certificate)
    return home, certificate


def propose(folders, out, *arguments):
    return ledger("propose", arguments[0], folders.site("anna"), "--out", out, *arguments[1:])


def approve(folders, motion, *sites):
    return [done("ledger", "approve", folders.site(site), motion) for site in sites]


def apply(folders, motion, analyst="bo"):
    return ledger(
        "apply", motion, "-c", folders.consortium, "--identity", folders.root / "analysts" / f"{analyst}.pem"
    )


def question(home, identity=None, *arguments):
    chosen = ("--identity", identity) if identity else ()
    return crossward("query", "-c", home, COUNT, "--exact", "--json", *chosen, *arguments)


def sent(folders, home, entries):
    """Wait for the members file of the sites, then send it."""
    source, ends_at = folders.root / "members.json", time.monotonic() + 20
    while not (source.exists() and len(json.loads(source.read_text())["entries"]) >= entries):
        assert time.monotonic() < ends_at
        time.sleep(0.05)
    shutil.copy(source, home / "members.json")


def an_analyst_joins_asks_and_is_removed(folders, out):
    ada = folders.root / "analysts" / "ada.pem"
    assert ask(folders, "--identity", ada).code == 0
    home, certificate = enrolled(folders, out, "eva", "analyst")
    before = question(home)
    assert before.code != 0
    assert "is not the certificate that the consortium file names for eva" in before.err
    motion = out / "eva.json"
    ran = propose(folders, motion, "add-member", "--certificate", certificate, "--cap", "0.25")
    assert (ran.code, ran.err) == (0, "")
    assert "add analyst eva with the key" in ran.out
    assert "who may ask, up to 0.25 of each sub-budget (now: analysts ada, bo)" in ran.out
    approve(folders, motion, "anna", "bert")
    ran = apply(folders, motion)
    assert ran.code == 3
    assert "carl" in ran.err  # one administrator has not approved it: nothing is changed
    assert "role" not in kinds(folders.ledger("anna"))
    (said,) = approve(folders, motion, "carl")
    assert "carl approves amendment" in said
    ran = apply(folders, motion)
    assert (ran.code, ran.err) == (0, ""), ran
    assert "no node is restarted" in ran.out
    sent(folders, home, 1)
    ran = question(home)
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["rows"] == [[0, 3 * 97], [1, 3 * 206]]
    assert ledger("approve", folders.site("bert"), motion).code != 0  # used up

    motion = out / "no-eva.json"
    assert "has spent" not in propose(folders, motion, "remove-member", "--name", "eva").out
    approve(folders, motion, *SITES)
    assert apply(folders, motion).code == 0
    for _ in range(2):
        ran = question(home)
        assert ran.code != 0
        assert "this member was removed from the consortium" in ran.err, ran
    assert ask(folders, "--identity", ada).code == 0
    whole(*(folders.ledger(site) for site in SITES))
    again = out / "again.json"
    ran = propose(folders, again, "add-member", "--certificate", certificate, "--cap", "1")
    assert ran.code != 0
    assert "eva" in ran.err


def a_removed_analyst_with_an_open_session_is_refused_by_the_rule(folders, out):
    import federation
    from federation.errors import RequestRejectedError
    from smpc.errors import PeerRejectedError

    with federation.connect(folders.consortium, identity=folders.root / "analysts" / "ada.pem") as session:
        session.sql(COUNT, exact=True)
        motion = out / "no-ada.json"
        ran = propose(folders, motion, "remove-member", "--name", "ada")
        assert "remove analyst ada, whose requests are refused from then on" in ran.out
        approve(folders, motion, *SITES)
        assert apply(folders, motion).code == 0
        for ask_again in (lambda: session.sql(COUNT, exact=True), session.budget):  # its channel was closed
            with pytest.raises((RequestRejectedError, PeerRejectedError), match="was removed"):
                ask_again()
    assert kinds(folders.ledger("anna"))[-1] == "role"
    ran = propose(folders, out / "last.json", "remove-member", "--name", "bo")
    assert ran.code != 0
    assert "bo is the only analyst" in ran.err


def an_auditor_joins_and_reads_the_texts_and_asks_nothing(folders, out):
    home, certificate = enrolled(folders, out, "vera", "auditor")
    motion = out / "vera.json"
    ran = propose(folders, motion, "add-member", "--certificate", certificate, "--cap", "0.5")
    assert "--cap is only for an analyst" in ran.err
    ran = propose(folders, motion, "add-member", "--certificate", certificate)
    assert "who may read the ledger and the texts of all requests, and ask nothing" in ran.out
    approve(folders, motion, *SITES)
    assert apply(folders, motion).code == 0
    sent(folders, home, 3)
    texts = out / "texts.jsonl"
    done("audit", "texts", "-c", home, "--identity", home / "analysts" / "vera.pem", "--out", texts)
    assert "COUNT" in texts.read_text()
    assert question(home).code != 0
    shown = done("audit", "statement", folders.ledger("anna"))
    assert "add auditor vera" in shown


@pytest.mark.slow
def test_members_join_and_leave_while_the_nodes_run(tmp_path):
    folders = make_folder(tmp_path / "here", analysts=("ada", "bo"))
    with running(folders):
        an_analyst_joins_asks_and_is_removed(folders, tmp_path)
        an_auditor_joins_and_reads_the_texts_and_asks_nothing(folders, tmp_path)
        a_removed_analyst_with_an_open_session_is_refused_by_the_rule(folders, tmp_path)
    with running(folders):  # the same after a start, from the ledger and its files alone
        ran = ask(folders, "--identity", folders.root / "analysts" / "ada.pem")
        assert ran.code != 0
        assert "is not the certificate that the consortium file names for ada" in ran.err
        assert ask(folders, "--identity", folders.root / "analysts" / "bo.pem").code == 0
    whole(*(folders.ledger(site) for site in SITES))
