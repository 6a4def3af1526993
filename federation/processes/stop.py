"""Ending the nodes of a folder from outside, by their pid files.

Layer:       federation.processes.stop, above nursery.
Terms:       a pid file is *stale* when its number belongs to nobody, or to a process that is not of this folder:
             numbers are given out again.
Guarantees:  only processes of this folder's nursery are signaled; when ``stop_nodes`` returns, none of them is left
             and no pid file either.
See instead: starting them (``started``).
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
    """Process numbers of this folder's nursery (``up``) and nodes, by their pid files.

    Args:
        folders: the consortium's.

    Returns:
        Those that run; stale files are left out.

    Raises:
        PermissionError: another user's, whose files may not be read.
    """
    found = {}
    for path in _pid_files(folders):
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int(path.read_text("ascii"))
            if _belongs(pid, folders):
                found[path.stem] = pid
    return found


def stop_nodes(folders: Folders, *, limit_s: float = LIMIT_S) -> list[str]:
    """End everything that runs for a folder and wait for it.

    Args:
        folders: the consortium's.
        limit_s: how long it may take (s).

    Returns:
        The names that ran, ``up`` for the nursery.

    Raises:
        SiteUnavailableError: one did not end in time.
        ConfigError: they are another user's.
    """
    ran = running(folders)
    # the nursery ends its nodes in order; where it was killed, they are ended one by one
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
    """The pid files; unlike a glob it does not take a folder that may not be read for an empty one."""
    try:
        return sorted(path for path in folders.pids.iterdir() if path.suffix == ".pid")
    except FileNotFoundError:
        return []


def _belongs(pid: int, folders: Folders) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return MODULE in words and os.fsencode(folders.root) in words


def _is_leaving(pid: int) -> bool:
    """Whether a process has given up its memory, and with it its words, but not yet its locks and ports."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return not words and state not in {"Z", "X"}
