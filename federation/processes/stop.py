"""Ends the nodes of a folder from outside, by their pid files.

Layer:       federation.processes.stop, above supervisor.
Terms:       a pid file is *stale* when no process has its number, or a process that is not of this folder: the
             operating system reuses numbers.
Guarantees:  signals only processes of this folder's supervisor; when ``stop_nodes`` returns, no such process and no
             pid file is left.
See instead: starting the nodes (``federation.processes.launcher``).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from federation.errors import ConfigError, SiteUnavailableError
from federation.processes.supervisor import STOP_S, UP

if TYPE_CHECKING:
    from federation.consortium.folders import Folders

MODULE: Final = b"federation.processes.supervisor"
LIMIT_S: Final = 2 * STOP_S
POLL_S: Final = 0.05


def running(folders: Folders) -> dict[str, int]:
    """Process numbers of this folder's supervisor (``up``) and nodes, by their pid files.

    Args:
        folders: the consortium's.

    Returns:
        The running ones; stale files are skipped.

    Raises:
        PermissionError: the folder belongs to another user and cannot be read.
    """
    found = {}
    for path in _pid_files(folders):
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int(path.read_text("ascii"))
            if _belongs(pid, folders):
                found[path.stem] = pid
    return found


def stop_nodes(folders: Folders, *, limit_s: float = LIMIT_S) -> list[str]:
    """End every process of a folder and wait for it.

    Args:
        folders: the consortium's.
        limit_s: how long it may take (s).

    Returns:
        The names of the ended processes, ``up`` for the supervisor.

    Raises:
        SiteUnavailableError: a process did not end in time.
        ConfigError: a process belongs to another user.
    """
    ran = running(folders)
    # the supervisor ends its nodes in order; when it was killed, each node is ended on its own
    for pid in [ran[UP]] if UP in ran else ran.values():
        try:
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue
        except PermissionError as error:
            raise ConfigError(
                mistakes=[f"process {pid} of {folders.root} is another user's: {error.strerror}"]
            ) from error
    ends_at = time.monotonic() + limit_s
    for name, pid in ran.items():
        while _belongs(pid, folders) or _is_leaving(pid):
            if time.monotonic() > ends_at:
                raise SiteUnavailableError(
                    site=name, reason=f"process {pid} did not end within {limit_s:g} s"
                )
            time.sleep(POLL_S)
    for path in _pid_files(folders):
        path.unlink(missing_ok=True)
    return sorted(ran)


def _pid_files(folders: Folders) -> list[Path]:
    """The pid files; raises for an unreadable folder, which a glob would report as empty."""
    try:
        return sorted(path for path in folders.pids.iterdir() if path.suffix == ".pid")
    except FileNotFoundError:
        return []


def _belongs(pid: int, folders: Folders) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return MODULE in command and os.fsencode(folders.root) in command


def _is_leaving(pid: int) -> bool:
    """Whether a process has released its memory, and so its command line, but not yet its locks and ports."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return not command and state not in {"Z", "X"}
