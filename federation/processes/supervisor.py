"""The parent of one machine's nodes: loads shared modules once, forks a process for each node, ends all together.

Layer:       federation.processes.supervisor, above worker. Single-threaded, so that forking is safe.
Terms:       an *event* is a line of JSON on standard output: ``started``, ``ready`` with all process numbers,
             ``failed``, or ``ended``.
Guarantees:  one supervisor for a folder (its lock ends with the process); it returns after all its children have
             ended; a child that does not end in time after SIGTERM is killed. A pid file is removed with its process.
See instead: the reader of the events (``federation.processes.launcher``).
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from federation.consortium.file_format.file_reading import read_toml
from federation.consortium.folders import Folders
from federation.errors import ConfigError
from federation.processes.worker import READY, NodeSpec, nodes_of, run_node
from smpc.engine.arithmetic import CRYPTEN, prepare_engine
from smpc.operations.numpy_arithmetic import NUMPY

if TYPE_CHECKING:
    from types import FrameType

PRELOADED: Final = (
    "duckdb",
    "pandas",
    "federation.node.site_process",
    "analytics.disclosure.release",
    "analytics.mining.bitmaps",
    "federation.requests.kinds.mining",
    "federation.requests.kinds.query",
    "federation.requests.kinds.statistic",
    "privacy_accounting.ledger.storage.sqlite",
    "privacy_accounting.rdp.curves",
    "smpc.transport.data_plane",
)
STOP_S: Final = 15.0
POLL_MS: Final = 200
UP: Final = "up"


class Supervisor:
    """The child processes, with their names and pipes."""

    def __init__(self, folders: Folders, output: TextIO) -> None:
        """Take the folder's lock.

        Raises:
            ConfigError: another supervisor runs for this folder, or the folder has no nodes.
        """
        self._folders, self._output = folders, output
        self._specs = {spec.name: spec for spec in nodes_of(folders)}
        folders.pids.mkdir(parents=True, exist_ok=True)
        self._lock = (folders.pids / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise ConfigError(mistakes=[_up_already(folders, list(self._specs))]) from error
        self._pids: dict[str, int] = {}
        self._reports: dict[int, str] = {}
        self._waiting: set[str] = set()
        self._lifeline, self._held = os.pipe()
        self._is_stopping = False

    def _engine(self) -> str:
        """CrypTen where any site of this machine computes with it."""
        sites = [name for name, spec in self._specs.items() if spec.role == "site"]
        files = [read_toml(self._folders.site(name)) for name in sites]
        engines = {file.get("computation", {}).get("engine", CRYPTEN.name) for file in files}
        return CRYPTEN.name if CRYPTEN.name in engines else NUMPY.name

    def run(self, commands: int | None) -> int:
        """Start every node; run until a stop signal or until a node fails at its start.

        Args:
            commands: a descriptor with lines ``start NAME``; its end stops all nodes. None: only signals stop them.

        Returns:
            0, or 1 when a node could not start.
        """
        for name in PRELOADED:
            import_module(name)
        prepare_engine(
            self._engine()
        )  # loaded once and shared by all nodes: torch takes more memory than a site
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._write_pid(UP, os.getpid())
        code = 0
        try:
            for name in self._specs:
                self._start(name)
            while not self._is_stopping:
                failure = self._step(commands)
                self._reap()
                if failure:
                    code = 1
                    break
        finally:
            self._end()
        return code

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._is_stopping = True

    def _write_event(self, **line: Any) -> None:
        try:
            self._output.write(json.dumps(line) + "\n")
            self._output.flush()
        except BrokenPipeError:  # detached: the reader has ended, and the nodes keep running
            with Path(os.devnull).open("w", encoding="ascii") as nowhere:
                os.dup2(nowhere.fileno(), self._output.fileno())

    def _start(self, name: str) -> None:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._run_child(self._specs[name], reading, writing)
        os.close(writing)
        self._pids[name], self._reports[reading] = pid, name
        self._waiting.add(name)
        self._write_pid(name, pid)

    def _run_child(self, spec: NodeSpec, reading: int, writing: int) -> None:
        """The child's side of the fork; never returns."""
        code = 1
        try:
            for descriptor in (reading, self._held, self._lock.fileno(), *self._reports):
                os.close(descriptor)
            os.setpgrp()  # Ctrl-C reaches only the supervisor, which ends the children in order
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)
            code = run_node(spec, self._folders, writing, self._lifeline)
        finally:
            os._exit(code)

    def _step(self, commands: int | None) -> bool:
        """Wait for reports and commands; True when a node failed at its start."""
        poller = select.poll()
        for descriptor in (*self._reports, *([] if commands is None else [commands])):
            poller.register(descriptor, select.POLLIN | select.POLLHUP)
        for descriptor, _ in poller.poll(POLL_MS):
            if descriptor == commands:
                self._command(os.read(descriptor, 4096))
            elif self._report(descriptor):
                return True
        return False

    def _report(self, descriptor: int) -> bool:
        name = self._reports.pop(descriptor)
        line = os.read(descriptor, 1 << 16)
        os.close(descriptor)
        if line != READY:
            reason = line.decode("utf-8", "replace").strip() or "it ended before it was ready; see its log"
            self._write_event(event="failed", name=name, reason=reason)
            return True
        self._waiting.discard(name)
        self._write_event(event="started", name=name, pid=self._pids[name])
        if not self._waiting:
            self._write_event(event="ready", pids=dict(self._pids))
        return False

    def _command(self, data: bytes) -> None:
        if not data:
            self._is_stopping = True
        for line in data.decode("ascii", "replace").splitlines():
            word, _, name = line.partition(" ")
            if word == "start" and name in self._specs and name not in self._pids:
                self._start(name)

    def _reap(self) -> None:
        for name, pid in list(self._pids.items()):
            if os.waitpid(pid, os.WNOHANG)[0]:
                del self._pids[name]
                self._pid_file(name).unlink(missing_ok=True)
                self._write_event(event="ended", name=name)

    def _end(self) -> None:
        for pid in self._pids.values():
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGCONT)  # a frozen child handles no signal before it continues
        ends_at = time.monotonic() + STOP_S
        while self._pids and time.monotonic() < ends_at:
            self._reap()
            time.sleep(0.01)
        for pid in self._pids.values():
            os.kill(pid, signal.SIGKILL)
        while self._pids:
            self._reap()
            time.sleep(0.01)
        self._pid_file(UP).unlink(missing_ok=True)
        os.close(self._held)
        self._lock.close()

    def _pid_file(self, name: str) -> Path:
        return self._folders.pids / f"{name}.pid"

    def _write_pid(self, name: str, pid: int) -> None:
        self._pid_file(name).write_text(f"{pid}\n", encoding="ascii")


def _up_already(folders: Folders, names: list[str]) -> str:
    """Say that a supervisor runs, and which of its nodes do not: it removes the pid file of a node that has ended."""
    dead = [name for name in names if not (folders.pids / f"{name}.pid").exists()]
    down = f"crossward down {folders.root}"
    if not dead:
        return f"{folders.root} is up already; stop it with {down}"
    logs = ", ".join(str(folders.logs / f"{name}.log") for name in dead)
    are = "is" if len(dead) == 1 else "are"
    return (
        f"{folders.root} is up, but {', '.join(dead)} {are} not running ({logs} says why): start all nodes again with "
        f"{down}, then crossward up {folders.root}"
    )


def main(arguments: list[str]) -> int:
    """Run a supervisor: ``FOLDER`` and, for commands on standard input, ``--commands``."""
    folders = Folders(root=Path(arguments[0]).resolve())
    try:
        supervisor = Supervisor(folders, sys.stdout)
    except ConfigError as error:
        sys.stdout.write(
            json.dumps({"event": "failed", "name": "up", "reason": "; ".join(error.mistakes)}) + "\n"
        )
        return 1
    return supervisor.run(0 if "--commands" in arguments else None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
