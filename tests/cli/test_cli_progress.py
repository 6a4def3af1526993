"""Progress and Ctrl-C of real processes: a line on a terminal and nowhere else; what is spent is said."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.cli.conftest import spawned

COUNT = "SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex"
CODE = "from federation.cli import main; main()"


def on_a_terminal(arguments, stop_at=None):
    """Run a command whose standard error is a terminal, and press Ctrl-C where ``stop_at`` is shown."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", CODE, *map(str, arguments)]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env=os.environ | {"TERM": "xterm"}
    )
    os.close(theirs)
    shown = bytearray()

    def read():
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:
                return
            if not data:
                return
            shown.extend(data)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    ends_at = time.monotonic() + 60
    while stop_at is not None and stop_at not in shown and child.poll() is None:
        assert time.monotonic() < ends_at
        time.sleep(0.005)
    if stop_at is not None and child.poll() is None:
        child.send_signal(signal.SIGINT)
    out = child.communicate(timeout=60)[0].decode()
    reader.join(5)
    os.close(ours)
    return child.returncode, out, shown.decode(errors="replace")


def test_cli_progress_is_on_the_terminal_alone(hospital):
    query = ("query", "-c", hospital.consortium, COUNT, "--exact", "--json")
    code, out, shown = on_a_terminal(query)
    assert code == 0, shown
    assert "asking 3 sites: an exact disclosure" in " ".join(shown.split())
    assert out.startswith("{")
    quiet = spawned(*query)
    assert (quiet.code, quiet.err) == (0, "")


@pytest.mark.slow
def test_cli_ctrl_c_of_a_process_ends_with_130_and_one_sentence(hospital):
    asked = ("stats", "-c", hospital.consortium, "chi_square", "a=sex", "b=hidden", "--exact")
    for stop_at in (b"asking", b"is charged"):
        code, out, shown = on_a_terminal(asked, stop_at=stop_at)
        if code == 0:
            continue  # it was faster than the key
        assert (code, out) == (130, "")
        last = shown.strip().splitlines()[-1]
        assert "crossward: stopped; " in last
        assert "Traceback" not in shown
        assert stop_at == b"asking" or "stays spent" in shown


def test_cli_ctrl_c_before_the_command_begins_is_no_stack_trace(monkeypatch, capsys):
    from federation import cli
    from federation.cli import app

    def stopped():
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "run", stopped)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert (end.value.code, capsys.readouterr().err) == (130, "crossward: stopped\n")
