"""One node in a process of its own: signals, log, readiness, and an end with its parent.

Layer:       federation.processes.worker.
Guarantees:  SIGTERM, SIGINT and the end of the parent stop the node cleanly; the node reports a failed start to its
             parent in one line. The log holds the place of a fault, never its text, which could quote data (P19). A
             log of ``LOG_BYTES`` is rotated, and the oldest of ``LOGS_KEPT`` is deleted.
See instead: the parent process (``federation.processes.supervisor``), the node itself
             (``federation.node.site_process``).
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Final

from analytics.errors import AnalyticsError
from federation.errors import ConfigError, FederationError
from federation.protocol.error_codes import traced
from privacy_accounting.errors import AccountingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from federation.consortium.folders import Folders

READY: Final = b"ready\n"
OURS: Final = (AnalyticsError, FederationError, AccountingError)
LOG_BYTES: Final = 10_000_000
LOGS_KEPT: Final = 5
FORMAT: Final = "%(asctime)s %(levelname)s %(threadName)s %(message)s"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """The node that a process runs.

    Attributes:
        name: the name of the node.
        role: site, dealer, aggregator or keyholder.
    """

    name: str
    role: str


def nodes_of(folders: Folders) -> list[NodeSpec]:
    """The nodes with files below a consortium's folder, helpers first.

    Raises:
        ConfigError: the folder holds no site.
    """
    helpers = [
        NodeSpec(name=path.name, role=path.name)
        for path in sorted(folders.root.glob("helpers/*"))
        if path.is_dir()
    ]
    sites = [
        NodeSpec(name=path.parent.name, role="site")
        for path in sorted(folders.root.glob("sites/*/site.toml"))
    ]
    if not sites:
        raise ConfigError(mistakes=[f"{folders.root} holds no sites; make them with crossward init"])
    return [*helpers, *sites]


def run_node(spec: NodeSpec, folders: Folders, report: int, lifeline: int) -> int:
    """Run one node to its end; the body of a forked process.

    Args:
        spec: the node.
        folders: the location of its files.
        report: descriptor for one line to the parent: ``ready``, or the reason of a failed start.
        lifeline: descriptor that closes when the parent ends.

    Returns:
        The exit code.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    _log_to(folders.logs / f"{spec.name}.log")
    threading.Thread(target=_watch_parent, args=(lifeline, stop), name="lifeline", daemon=True).start()
    try:
        serve(spec, folders, stop, lambda: _write_report(report, READY))
    except OURS as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - a refusal needs no stack
        _write_report(report, " ".join(str(error).split()).encode() + b"\n")
        return 1
    except OSError as error:
        logging.getLogger(__name__).error("%s: internal error: %s", spec.name, traced(error))  # noqa: TRY400
        _write_report(
            report, f"{error.strerror or type(error).__name__}: {error.filename or 'its files'}\n".encode()
        )
        return 1
    except Exception as error:  # noqa: BLE001 - the outermost handler of the process
        logging.getLogger(__name__).error("internal error: %s", traced(error))  # noqa: TRY400
        _write_report(report, f"{type(error).__name__}; see its log\n".encode())
        return 1
    return 0


def serve(spec: NodeSpec, folders: Folders, stop: threading.Event, ready: Callable[[], None]) -> None:
    """Serve a node of this role.

    Raises:
        ConfigError: no node has this role, or a file is wrong.
    """
    from federation.consortium.helper_file import load_helper
    from federation.node import site_process as node

    if spec.role == "site":
        node.serve_site(folders.site(spec.name), stop, ready)
        return
    files = load_helper(folders.helper_file(spec.name))
    node.serve_helper(spec.role, files.consortium, files.identity, stop, ready, files.listen)


def _write_report(report: int, line: bytes) -> None:
    try:
        os.write(report, line)
        os.close(report)
    except OSError:  # the parent has ended, or has its line already
        return


def _watch_parent(lifeline: int, stop: threading.Event) -> None:
    """Stop the node when the parent's end of the pipe closes, in whatever way the parent ended."""
    try:
        while os.read(lifeline, 1):
            pass
    except OSError:
        pass
    stop.set()


def _log_to(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOGS_KEPT, encoding="utf-8")
    logging.basicConfig(handlers=[handler], level=logging.INFO, format=FORMAT, force=True)
