"""Starts the nodes of a folder in a supervisor process, waits until they are ready, and ends them.

Layer:       federation.processes.launcher, above supervisor.
Guarantees:  leaving the context leaves no process; the error names a node that cannot start, with its reason, and all
             other nodes are ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final, Self

from federation.errors import ConfigError, SiteUnavailableError
from federation.processes.worker import LOG_BYTES

if TYPE_CHECKING:
    from federation.consortium.folders import Folders

READY_S: Final = 60.0
STOP_S: Final = 30.0


class Launcher:
    """Running nodes of this machine; a context manager.

    Attributes:
        pids: process number of each node.
    """

    def __init__(self, folders: Folders, *, detach: bool = False) -> None:
        """Start a supervisor and wait for all its nodes.

        Args:
            folders: the consortium's.
            detach: the nodes keep running after this process has ended; another process then stops them.

        Raises:
            ConfigError: a node could not start; the error names it and the reason.
        """
        if not folders.consortium.is_file():
            raise ConfigError(mistakes=[f"{folders.root} holds no consortium; make one with crossward init"])
        self._folders = folders
        self.pids: dict[str, int] = {}
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        arguments = [sys.executable, "-m", "federation.processes.supervisor", str(folders.root)]
        self._errors = _open_log(folders)
        self._process = subprocess.Popen(
            arguments if detach else [*arguments, "--commands"],
            stdin=subprocess.DEVNULL if detach else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            env=environment,
            start_new_session=True,
        )
        try:
            self._wait_for("ready")
        except BaseException:
            self.stop()
            raise
        if detach:
            self._close_pipes()
            self._process.returncode = 0  # left to itself: no warning that it runs on when this object goes

    def __enter__(self) -> Self:
        """Return the launcher; the nodes are ready."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all nodes."""
        self.stop()

    @property
    def supervisor(self) -> int:
        """Process number of the supervisor."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the supervisor runs, where it is not detached."""
        return self._process.poll() is None

    @property
    def failed(self) -> bool:
        """Whether the supervisor has ended with an error."""
        return self._process.poll() not in {None, 0}

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to one node."""
        os.kill(self.pids[name], number)

    def restart(self, name: str) -> None:
        """Restart a node that has ended, and wait until it is ready.

        Raises:
            SiteUnavailableError: the nodes run detached.
            ConfigError: the node did not become ready in time.
        """
        ends_at = time.monotonic() + READY_S
        while _exists(self.pids[name]) and time.monotonic() < ends_at:
            time.sleep(0.02)
        if self._process.stdin is None:
            raise SiteUnavailableError(site=name, reason="its supervisor runs detached and cannot restart it")
        time.sleep(0.3)  # the supervisor notices an ended node within its polling time
        self._process.stdin.write(f"start {name}\n".encode())
        self._process.stdin.flush()
        self._wait_for("ready")

    def stop(self) -> None:
        """End all nodes and the supervisor; may be called twice."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._close_pipes()

    def _close_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _wait_for(self, event: str) -> None:
        ends_at = time.monotonic() + READY_S
        while True:
            line = self._line(ends_at)
            if line.get("event") == "failed":
                raise ConfigError(mistakes=[f"{line['name']} could not start: {line['reason']}"])
            if line.get("event") == "started":
                self.pids[str(line["name"])] = int(line["pid"])
            if line.get("event") == event:
                return

    def _line(self, ends_at: float) -> dict[str, Any]:
        stdout = self._process.stdout
        left = ends_at - time.monotonic()
        if stdout is None or left <= 0 or not select.select([stdout], [], [], left)[0]:
            raise ConfigError(
                mistakes=[f"the nodes were not ready within {READY_S:g} s; see {self._folders.logs}"]
            )
        data = stdout.readline()
        if not data:
            raise ConfigError(mistakes=[f"the nodes' supervisor ended; see {self._folders.logs}"])
        line: dict[str, Any] = json.loads(data)
        return line


def _open_log(folders: Folders) -> Any:
    folders.logs.mkdir(parents=True, exist_ok=True)
    path = folders.logs / "up.log"
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_name("up.log.1"))
    return path.open("ab")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
