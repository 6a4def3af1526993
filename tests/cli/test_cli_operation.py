"""Nodes started, stopped, damaged and examined from the command line."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from federation.consortium.consortium_file import load_consortium
from federation.identity.authority import Authority
from federation.network.tls import addresses_of
from federation.processes.launcher import Launcher
from federation.processes.stop import running, stop_nodes
from tests.cli.conftest import crossward, make_folder, spawned
from tests.setup.setup_world import HEART, without_marks

COUNT = "SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex"


def wait_until(condition, limit_s=10.0):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


def is_running(pid):
    """A process that has ended but was not yet collected does not count."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def folders(tmp_path):
    made = make_folder(tmp_path / "here")
    yield made
    stop_nodes(made)


def ask(folders, *arguments):
    return crossward("query", "-c", folders.consortium, *arguments)


def nothing_left(folders, pids):
    """No process, no port, no pid file, no lock."""
    for pid in pids:
        assert not is_running(pid)
    for address in addresses_of(load_consortium(folders.consortium)).values():
        with pytest.raises(OSError), socket.create_connection(address, timeout=1):
            pass
    assert not list(folders.pids.glob("*.pid"))


def made_of_four_files(folder, command):
    sites = [f"--site={path.stem}={path}" for path in sorted(HEART.glob("*.csv"))]
    made = command("init", folder, *sites)
    assert made.code == 0, made.err
    assert "guessed = true" in made.out
    assert "guessed = [...]" in made.out
    return folder / "consortium.toml"


@pytest.mark.slow
def test_cli_what_was_guessed_is_told_at_the_start(tmp_path):
    folder = tmp_path / "hearts"
    made_of_four_files(folder, crossward)
    try:
        warned = spawned("up", folder, "--detach")
        assert "fixes the agreement" in warned.err
        assert 'delete the line guessed = ["privacy_unit", "rows_max"] under [tables.patients]' in warned.err
    finally:
        assert spawned("down", folder).code == 0


def check_a_dead_node_is_named(folder):
    dead = folder / "run" / "cleveland.pid"
    os.kill(int(dead.read_text()), signal.SIGKILL)
    ends_at = time.monotonic() + 20
    while dead.exists():
        assert time.monotonic() < ends_at
        time.sleep(0.05)
    again = spawned("up", folder)
    assert again.code == 1
    assert "is up, but cleveland is not running" in again.err
    assert f"crossward down {folder}, then crossward up {folder}" in " ".join(again.err.split())


@pytest.mark.timeout(600)  # seconds alone, of which a busy machine makes minutes
def test_cli_a_consortium_from_four_files_to_an_answer(tmp_path):
    """init, a person's look at the guesses, up, query, down: each command a process of its own."""
    folder = tmp_path / "hearts"
    agreement = made_of_four_files(folder, spawned)
    try:
        agreement.write_text(without_marks(agreement.read_text()))
        up = spawned("up", folder, "--detach", PYTHONWARNINGS="error::ResourceWarning")
        assert (up.code, up.err) == (0, "")
        assert up.out.count("runs as process") == 4 + 3  # sites, dealer, aggregator, key holder
        again = spawned("up", folder)
        assert again.code == 1
        assert "is up already" in again.err
        question = "SELECT AVG(age) AS age FROM patients"
        answer = spawned("query", "-c", agreement, question, "--fresh", "--epsilon", "0.5", "--json")
        assert answer.code == 0, answer.err
        assert json.loads(answer.out)["receipt"]["signed_by"] == [
            path.stem for path in sorted(HEART.glob("*.csv"))
        ]
        pids = [int(path.read_text()) for path in (folder / "run").glob("*.pid")]
        assert len(pids) == 4 + 3 + 1
        check_a_dead_node_is_named(folder)
    finally:
        down = spawned("down", folder)
    assert (down.code, down.out) == (0, "stopped\n")
    assert not any(is_running(pid) for pid in pids)
    assert spawned("down", folder).out == "no node runs there\n"


def test_cli_down_leaves_nothing(folders):
    assert spawned("up", folders.root, "--detach").code == 0
    pids = running(folders)
    assert set(pids) == {"up", "anna", "bert", "carl", "dealer"}
    assert all((folders.logs / f"{name}.log").exists() for name in ("anna", "dealer"))
    assert crossward("down", folders.root).code == 0
    nothing_left(folders, pids.values())


def test_cli_stale_pid_files_signal_no_process(folders):
    """Numbers are given out again: a file that names a stranger must not have it ended."""
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        folders.pids.mkdir(parents=True)
        for name, text in {"up": stranger.pid, "anna": 2**22 + 1, "bert": "no number", "carl": 1}.items():
            (folders.pids / f"{name}.pid").write_text(f"{text}\n")
        assert running(folders) == {}
        assert crossward("down", folders.root).out == "no node runs there\n"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.slow
def test_cli_nodes_end_with_a_killed_supervisor(folders):
    assert spawned("up", folders.root, "--detach").code == 0
    pids = running(folders)
    os.kill(pids["up"], signal.SIGKILL)
    wait_until(lambda: not any(is_running(pid) for pid in pids.values()), 20)
    assert crossward("down", folders.root).code == 0
    nothing_left(folders, pids.values())


@pytest.mark.slow
def test_cli_up_in_the_foreground_stops_on_a_signal(folders):
    command = [sys.executable, "-c", "from federation.cli import main; main()", "up", str(folders.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert any("Ctrl-C" in process.stdout.readline() for _ in range(6))
        pids = running(folders)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    nothing_left(folders, pids.values())


def test_cli_node_that_cannot_start_is_named_and_all_others_end(folders):
    table = folders.root / "broken.csv"
    table.write_text("age,sex\n1,0\n")
    site = folders.site("bert")
    text = site.read_text()
    site.write_text(text.replace(str(HEART / "cleveland.csv"), str(table)))
    ran = spawned("up", folders.root, "--detach")
    assert ran.code == 1
    assert "bert could not start: broken.csv" in ran.err
    nothing_left(folders, [])
    site.write_text(text)
    folders.site_identity("bert").chmod(0o644)
    ran = spawned("up", folders.root, "--detach")
    assert ran.code == 1
    assert "chmod 600" in ran.err


@pytest.mark.slow
def test_cli_killed_site_is_named_at_once_and_frozen_one_at_the_deadline(folders):
    with Launcher(folders) as nodes:
        begun = time.monotonic()
        assert ask(folders, COUNT, "--exact").code == 0
        healthy_s = time.monotonic() - begun
        nodes.kill("bert", signal.SIGSTOP)
        begun = time.monotonic()
        ran = ask(folders, COUNT, "--exact")
        assert ran.code == 1
        assert "bert" in ran.err
        assert time.monotonic() - begun < 4 + 5 + 10
        nodes.kill("bert", signal.SIGCONT)
        wait_until(lambda: ask(folders, COUNT, "--exact").code == 0, 20)
        nodes.kill("bert", signal.SIGKILL)
        wait_until(lambda: not is_running(nodes.pids["bert"]))
        begun = time.monotonic()
        ran = ask(folders, COUNT, "--exact")
        assert ran.code == 1
        assert "bert is not available" in ran.err
        assert time.monotonic() - begun < max(
            4, 6 * healthy_s
        )  # the deadline; a busy machine takes longer for all
        doctor = crossward("doctor", "-c", folders.consortium)
        assert doctor.code == 1
        assert "FIX node bert" in doctor.out
        assert "FIX connection anna to bert" in doctor.out
        nodes.restart("bert")
        assert ask(folders, COUNT, "--exact").code == 0


@pytest.mark.slow
def test_cli_serve_runs_single_nodes_until_a_signal(folders):
    """One process a node, as on machines of their own."""
    main = [sys.executable, "-c", "from federation.cli import main; main()"]
    commands = [[*main, "site", "serve", str(folders.site(name))] for name in ("anna", "bert", "carl")]
    commands.append([*main, "dealer", "serve", str(folders.helper_file("dealer"))])
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        assert ask(folders, COUNT, "--exact").code == 0
        for process, number in zip(processes, [signal.SIGTERM, signal.SIGINT] * 2, strict=True):
            process.send_signal(number)
        assert [process.wait(20) for process in processes] == [0, 0, 0, 0]
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()
    nothing_left(folders, [])


def test_cli_refusal_by_budget_names_numbers_in_epsilon(folders):
    with Launcher(folders):
        spent = 0
        for _ in range(12):
            ran = ask(folders, COUNT, "--fresh", "--epsilon", "2")
            if ran.code:
                break
            spent += 1
        assert spent >= 1
        assert (ran.code, ran.out) == (3, "")
        assert "query budget of visits refuses" in ran.err
        assert "fits" in ran.err
        assert ran.err.count("\n") == 1
        rows = json.loads(crossward("budget", "-c", folders.consortium, "--json").out)
        whole = next(row for row in rows if not row["purpose"] and not row["analyst"])
        assert 0 < float(whole["fraction_spent"]) <= 1
        table = crossward("budget", "-c", folders.consortium).out
        assert "still fits" in table
        assert "…" not in table


def test_cli_without_nodes_the_sentence_says_whom_to_ask(folders):
    ran = ask(folders, COUNT, "--exact")
    assert ran.code == 1
    assert "anna is not available" in ran.err
    assert "crossward doctor" in ran.err
    assert crossward("up", folders.root / "elsewhere").err.count("crossward init") == 1
    assert not (folders.root / "elsewhere").exists()


def test_cli_doctor_names_everything_that_is_wrong_with_files(folders):
    agreement = folders.consortium
    text = agreement.read_text()
    agreement.write_text(text.replace("colluding = 1", "colluding = -1").replace("deadline_s", "deadlines"))
    ran = crossward("doctor", "-c", agreement)
    assert ran.code == 1
    assert ran.out.count("FIX") >= 2
    agreement.write_text(text)
    folders.analyst("analyst").chmod(0o640)
    ran = crossward("doctor", "-c", agreement, "--site", folders.site("anna"))
    assert "chmod 600" in ran.out
    assert "certificate of site anna" in ran.out
    folders.analyst("analyst").chmod(0o600)
    authority = Authority.load(folders.authority)
    folders.site_identity("anna").write_bytes(authority.issue("anna", "site"))
    ran = crossward("doctor", "-c", agreement, "--site", folders.site("anna"))
    assert "not the one in the consortium file" in ran.out


def test_cli_doctor_sees_certificates_that_end(folders):
    from datetime import timedelta

    from federation.diagnostics.checks import examine_identity
    from federation.identity.certificates import Identity

    agreement = load_consortium(folders.consortium)
    path = folders.analyst("analyst")
    end = Identity.load(path).valid_until
    good = examine_identity(path, agreement, now=end - timedelta(days=61))
    soon = examine_identity(path, agreement, now=end - timedelta(days=3))
    assert not examine_identity(path, agreement, now=end - timedelta(days=59)).is_good
    over = examine_identity(path, agreement, now=end + timedelta(days=3))
    assert [good.is_good, soon.is_good, over.is_good] == [True, False, False]
    assert "3 days" in soon.text
    assert not soon.is_fatal
    assert over.is_fatal


def test_cli_audit_finds_what_is_wrong(folders, tmp_path):
    with Launcher(folders):
        assert ask(folders, COUNT, "--exact").code == 0
    ledgers = [folders.ledger(name) for name in ("anna", "bert", "carl")]
    page = tmp_path / "report.html"
    assert crossward("audit", "report", ledgers[0], "--out", page).out == f"wrote {page}\n"
    assert page.read_text().lower().startswith("<!doctype html>")
    assert "<script" not in page.read_text().lower()
    nowhere = crossward("audit", "report", ledgers[0], "--out", tmp_path / "no" / "page.html")
    assert nowhere.code == 2
    assert "cannot write" in nowhere.err
    data = ledgers[1].read_bytes()
    ledgers[1].write_bytes(data.replace(b"analysis", b"otherwis"))
    ran = crossward("audit", "verify", *ledgers)
    assert ran.code == 1
    assert "NOT WHOLE from entry" in ran.out
    assert crossward("audit", "verify", tmp_path / "none").code == 2  # a name that is mistyped
    (tmp_path / "text").write_text("no ledger")
    for command in ("recompute", "statement", "report"):
        ran = crossward("audit", command, tmp_path / "text")
        assert ran.code == 1
        assert ran.err.startswith("crossward: ")


@pytest.mark.parametrize(
    ("sites", "said", "code"),
    [
        (["a"], "NAME=FILE", 2),
        (["a=x.csv", "a=y.csv"], "NAME=FILE", 2),
        (["=x.csv"], "NAME=FILE", 2),
        (["a=x.csv"], "at least two sites", 1),
        (["a=postgresql://h/t", "b=y.csv"], "ADDRESS#SCHEMA.TABLE", 1),
    ],
)
def test_cli_init_says_what_it_needs(tmp_path, sites, said, code):
    ran = crossward("init", tmp_path / "new", *[f"--site={site}" for site in sites])
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert not (tmp_path / "new").exists()


def everything_written(folders):
    """All that nodes leave on disk apart from keys: logs and ledgers."""
    paths = [*folders.logs.glob("*"), *folders.root.glob("sites/*/state/ledger*")]
    return b"".join(path.read_bytes() for path in paths)


def test_cli_no_value_of_the_data_reaches_log_ledger_or_terminal(folders):
    """A canary in a column that is asked about, in questions that succeed, are refused, and fail at the start."""
    header = "age,sex,chol,num"
    rows = [f"{40 + n % 30},{n % 2},{200 + n % 50},{n % 5}" for n in range(200)]
    table = folders.root / "canary.csv"
    site = folders.site("bert")
    site.write_text(site.read_text().replace(str(HEART / "cleveland.csv"), str(table)))
    table.write_text("\n".join([header, *rows, "31337.25,1,31337.25,0"]) + "\n")
    said = []
    with Launcher(folders):
        for question in (COUNT, "SELECT AVG(age) AS a FROM visits", "SELECT MAX(age) AS a FROM visits"):
            for mode in (["--exact"], ["--fresh", "--epsilon", "0.1"]):
                said.append(ask(folders, question, *mode))
        said.append(crossward("doctor", "-c", folders.consortium))
    table.write_text("\n".join([header, *rows, "canary-31337,1,200,0"]) + "\n")
    said.append(spawned("up", folders.root, "--detach"))
    assert said[0].code == 0
    assert said[-1].code == 1
    for text in (*(each.out + each.err for each in said), everything_written(folders).decode("latin-1")):
        assert "31337" not in text
        assert "canary-" not in text


def test_cli_a_node_fault_logs_its_location_without_its_text(folders):
    """An unforeseen error can quote a row; its type and stack go to the log, its text nowhere."""
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from federation.processes import worker\n"
        "from federation.consortium.folders import Folders\n"
        "def broken(*_):\n"
        "    raise RuntimeError('row of patient 31337')\n"
        "worker.serve = broken\n"
        "reading, writing = os.pipe()\n"
        "lifeline, held = os.pipe()\n"
        "code = worker.run_node(worker.NodeSpec(name='anna', role='site'), Folders(root=Path(sys.argv[1])), writing, lifeline)\n"
        "sys.stdout.write(os.read(reading, 4096).decode())\n"
        "sys.exit(10 + code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folders.root)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    log = (folders.logs / "anna.log").read_text()
    assert done.returncode == 11
    assert done.stdout == "RuntimeError; see its log\n"
    assert "RuntimeError" in log
    assert "in broken" in log
    assert "31337" not in log + done.stdout + done.stderr
