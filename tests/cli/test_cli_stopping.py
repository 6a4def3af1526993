"""Interrupted commands and unwritable output: the command reports the charge and shows a paid answer."""

import json
import os
import signal
import tomllib
from contextlib import contextmanager

import pandas as pd
import pytest

import federation
from federation.cli import operate, outcome
from federation.cli.options import check_writable
from federation.cli.outcome import UsageError
from federation.cli.questions import analyst, mine
from federation.client.spending import UNKNOWN
from federation.consortium.folders import Folders
from federation.errors import SiteUnavailableError
from federation.processes import stop
from federation.protocol.channel_pool import Exchange
from smpc.errors import PartyLostError
from tests.cli.conftest import crossward, make_folder
from tests.setup.setup_world import SCHEMA

FRAME = pd.DataFrame({"age": [40, 50, 60] * 20, "sex": [0, 1, 1] * 20})
COUNT = "SELECT COUNT(*) AS n FROM visits"
MINE = ("mine", "-c", "x.toml", "sex=1", "--table=visits", "--min-support=0.1", "--exact")
PRIVATE = ("query", "-c", "x.toml", COUNT, "--fresh", "--epsilon=0.1")
EXACT = ("query", "-c", "x.toml", COUNT, "--exact")


@pytest.fixture(scope="module")
def opened():
    with federation.local(
        dict.fromkeys(("anna", "bert", "carl"), FRAME), schema=tomllib.loads(SCHEMA), deadline_s=10
    ) as session:
        yield session


@pytest.fixture
def session(opened, monkeypatch):
    @contextmanager
    def found(*_):
        yield opened

    for module in (analyst, mine):
        monkeypatch.setattr(module, "open_session", found)
    return opened


CHARGE, ANSWERS, SENDING = "ask_one", "collect", "send"  # the steps of a visit to all sites, by their methods


def stop_at(monkeypatch, step, error=KeyboardInterrupt, *, sent):
    """End the command before a step of its visit, or after it."""
    real = getattr(Exchange, step)

    def stopped(self, *arguments, **settings):
        if sent:
            real(self, *arguments, **settings)
        raise error

    monkeypatch.setattr(Exchange, step, stopped)


def head(session):
    return session.nodes["anna"].replica.head


@pytest.mark.parametrize(
    ("words", "cost"), [(PRIVATE, "of the query budget of visits"), (EXACT, "one exact disclosure")]
)
@pytest.mark.parametrize("sent", [False, True])
def test_cli_ctrl_c_after_the_charge_reports_it(session, monkeypatch, words, cost, sent):
    before = head(session)
    stop_at(monkeypatch, ANSWERS, sent=sent)
    ran = crossward(*words)
    assert ran.code == 130
    assert f"stopped; the answer is lost, and ledger entry {before + 1} has charged" in ran.err
    assert cost in ran.err
    assert "stays spent" in ran.err
    assert head(session) == before + 1


def test_cli_ctrl_c_in_mining_reports_the_charge(session, monkeypatch):
    before = head(session)
    stop_at(monkeypatch, ANSWERS, sent=False)
    ran = crossward(*MINE)
    assert ran.code == 130
    assert f"ledger entry {before + 1} has charged one exact disclosure" in ran.err


@pytest.mark.parametrize("words", [PRIVATE, EXACT, MINE])
def test_cli_ctrl_c_during_the_charge_reports_an_unknown_outcome(session, monkeypatch, words):
    stop_at(monkeypatch, CHARGE, sent=False)
    ran = crossward(*words)
    assert (ran.code, ran.err) == (130, f"crossward: stopped; {UNKNOWN}\n")


def test_cli_ctrl_c_before_the_charge_reports_that_nothing_was_charged(session, monkeypatch):
    before = head(session)
    stop_at(monkeypatch, SENDING, sent=True)
    ran = crossward(*PRIVATE)
    assert (ran.code, ran.err) == (130, "crossward: stopped; nothing was charged\n")
    assert head(session) == before


@pytest.mark.parametrize("error", [PartyLostError(name="bert"), SiteUnavailableError(site="bert")])
def test_cli_errors_after_the_charge_report_it_and_charge_only_once(session, monkeypatch, error):
    before = head(session)
    stop_at(monkeypatch, ANSWERS, error, sent=False)
    ran = crossward(*PRIVATE)
    assert ran.code == 1
    assert "nothing was spent" not in ran.err
    assert f"ledger entry {before + 1} has charged" in ran.err
    assert head(session) == before + 1


def test_cli_a_refusal_still_says_that_nothing_was_spent(session):
    before = head(session)
    ran = crossward(*PRIVATE[:-1], "--epsilon=100")
    assert ran.code == 3
    assert "nothing was spent" in ran.err
    assert head(session) == before


@pytest.mark.parametrize("words", [(*PRIVATE, "--json"), PRIVATE, MINE])
def test_cli_an_answer_goes_to_stderr_when_stdout_fails(session, monkeypatch, words):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(analyst, "print_json", full)
    monkeypatch.setattr(analyst, "_print_answer", full)
    monkeypatch.setattr(mine, "_print_rules", full)
    ran = crossward(*words)
    assert ran.code == 1
    first, _, rest = ran.err.partition("\n")
    assert "standard output: No space left on device" in first
    assert "receipt" in json.loads(rest)


# -- outputs are opened first ----------------------------------------------------------------------------------------------


def test_cli_an_output_is_opened_and_nothing_is_left_of_it(tmp_path):
    check_writable(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").write_text("old")
    check_writable(tmp_path / "old")
    assert (tmp_path / "old").read_text() == "old"
    for wrong in (tmp_path / "none" / "x", tmp_path):
        with pytest.raises(UsageError, match="cannot write"):
            check_writable(wrong)


def test_cli_the_demo_opens_its_page_before_it_asks_anything(tmp_path, monkeypatch):
    monkeypatch.setattr("federation.demo.run.main", lambda _: pytest.fail("it began"))
    (tmp_path / "out" / "report.html").mkdir(parents=True)
    ran = crossward("demo", "--out", tmp_path / "out")
    assert (ran.code, "report.html: Is a directory" in ran.err) == (2, True)
    (tmp_path / "file").touch()
    assert crossward("demo", "--out", tmp_path / "file" / "out").code == 2


# -- without permission ----------------------------------------------------------------------------------------------------


def denied(name="", number=13):
    def refuse(*_, **__):
        raise PermissionError(number, os.strerror(number), name or None)

    return refuse


def test_cli_without_permission_one_sentence_says_so(tmp_path, monkeypatch):
    closed = str(tmp_path / "closed")
    for module, name, words in (
        (
            "federation.setup.infer_schema.init_consortium",
            "init",
            ("init", closed, "--site=a=a.csv", "--site=b=b.csv"),
        ),
        ("federation.processes.stop.stop_nodes", "down", None),
        (
            "federation.diagnostics.checks.examine_files",
            "doctor",
            ("doctor", "-c", "c.toml", "--identity=i.pem", "--site=s"),
        ),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, denied(closed))
            if words is None:
                (tmp_path / "run").mkdir()
            ran = crossward(*(words or (name, tmp_path)))
        assert (ran.code, ran.err) == (1, f"crossward: {closed}: Permission denied\n"), ran


def test_cli_down_of_another_users_consortium_says_whose_it_is(tmp_path, monkeypatch):
    folders = make_folder(tmp_path / "here")
    folders.pids.mkdir()
    (folders.pids / "up.pid").write_text(f"{os.getpid()}\n")
    with monkeypatch.context() as patch:
        patch.setattr(stop, "_belongs", lambda *_: True)
        patch.setattr(os, "kill", denied(number=1))
        ran = crossward("down", folders.root)
    assert ran.code == 1
    assert f"process {os.getpid()} of {folders.root} is another user's: Operation not permitted" in ran.err
    assert (folders.pids / "up.pid").exists()


@pytest.mark.parametrize("step", ["pathlib.Path.iterdir", "pathlib.Path.read_text"])
def test_cli_down_reports_unreadable_files(tmp_path, monkeypatch, step):
    folders = Folders(root=tmp_path)
    folders.pids.mkdir()
    (folders.pids / "up.pid").write_text("1\n")
    with monkeypatch.context() as patch:
        patch.setattr(step, denied(str(folders.pids)))
        ran = crossward("down", tmp_path)
    assert (ran.code, ran.err) == (1, f"crossward: {folders.pids}: Permission denied\n")


def test_cli_down_of_a_folder_without_a_consortium_is_an_error(tmp_path):
    ran = crossward("down", tmp_path / "none")
    assert (ran.code, ran.out) == (1, "")
    assert "holds no consortium" in ran.err
    folders = make_folder(tmp_path / "here")
    assert crossward("down", folders.root).out == "no node runs there\n"


@pytest.mark.parametrize("failed", [True, False])
def test_cli_up_ends_with_an_error_when_its_nodes_ended_by_themselves(tmp_path, monkeypatch, failed):
    """And not where another terminal stopped them."""

    class Gone:
        def __init__(self, *_, **__):
            self.pids, self.is_running, self.failed = {}, False, failed

        def stop(self):
            """Nothing is left."""

    monkeypatch.setattr("federation.processes.launcher.Launcher", Gone)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        ran = crossward("up", tmp_path)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert ran.code == failed
    assert ("ended by themselves" in ran.err) == failed


# -- faults of its own -----------------------------------------------------------------------------------------------------


def test_cli_a_fault_of_its_own_shows_where_only_when_it_is_asked_to(tmp_path, monkeypatch):
    def fault(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("federation.processes.stop.stop_nodes", fault)
    (tmp_path / "run").mkdir()
    ran = crossward("down", tmp_path)
    assert ran.code == 1
    assert "a fault of its own: ZeroDivisionError" in ran.err
    assert "crossward --debug shows where" in ran.err
    assert "Traceback" not in ran.err
    ran = crossward("--debug", "down", tmp_path)
    assert "Traceback" in ran.err
    assert "in fault" in ran.err
    assert "--debug shows" not in ran.err
    assert "Traceback" not in crossward("down", tmp_path).err  # the switch is of one run


def test_cli_a_system_without_file_locks_is_named_as_not_supported(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fcntl", None)
    ran = crossward("budget", "-c", "x.toml")
    assert (ran.code, ran.err) == (
        1,
        "crossward: this system is not supported; Crossward runs on Linux\n",
    )


def test_cli_notes_of_an_error_take_the_place_of_the_hint():
    error = PartyLostError(name="bert")
    assert "if the ledger shows" in outcome.sentence(error)
    error.add_note("entry 7\u202e")
    assert outcome.sentence(error).endswith("; entry 7 ")
    assert operate.FAILED == outcome.FAILED
