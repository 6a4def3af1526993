"""Files and folders that appear whole or not at all, so that a step that was interrupted can be run again.

Layer:       federation.setup.several_machines.whole_files, the lowest module of this package beside settings.
Guarantees:  a file has its name only when all its bytes are on the disk; a folder has its name only when all its files
             are. What an interrupted step left behind is removed by the next one.
See instead: key files, which are never replaced (``federation.identity.certificates.write_private``).
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from federation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PUBLIC, PRIVATE = 0o644, 0o600


def put(path: Path, content: bytes, *, mode: int = PUBLIC) -> None:
    """Write a file, durably, in the place of an earlier one.

    Args:
        path: the file; its folder is made where it is missing.
        content: its bytes.
        mode: who may read it, from its first byte on.

    Raises:
        ConfigError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot write {path}: {error.strerror}"]) from error


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Build a folder beside its place and move it there when it is complete.

    Args:
        path: the folder; it must not exist, or be empty.

    Yields:
        The folder to fill.

    Raises:
        ConfigError: the place is taken or cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ConfigError(mistakes=[f"{path} is not an empty folder; nothing there is overwritten"])
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, mode=0o700)
        try:
            yield partial
        except Exception:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        partial.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot write {error.filename or path}: {error.strerror}"]) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
