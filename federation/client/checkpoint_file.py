"""The file of a checkpoint: whole at any time, and written before the run goes on.

Layer:       federation.client.checkpoint_file.
Guarantees:  the file holds an earlier or the present checkpoint, and never half of one. Only its owner may read it. No
             earlier checkpoint is written over by another run.
See instead: what a checkpoint says (``federation.training.running.checkpoint``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from federation.errors import ConfigError

MOST_BYTES: Final = 1 << 28


def new_checkpoint(path: str | Path) -> Path:
    """Make the empty file of a new run, before anything is charged.

    Raises:
        ConfigError: it exists, or cannot be made.
    """
    place = Path(path)
    try:
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as error:
        reason = f"{place} exists: resume the training that it is of, or name another file"
        raise ConfigError(mistakes=[reason]) from error
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot write {place}: {error.strerror}"]) from error
    return place


def write(path: Path, data: bytes) -> None:
    """Write a checkpoint in the place of the one before it, durably.

    Raises:
        ConfigError: it cannot be written; the earlier one is still there.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot write {path}: {error.strerror}"]) from error


def read(path: Path) -> bytes:
    """Read a checkpoint's file.

    Raises:
        ConfigError: it cannot be read, or is empty: nothing was charged by the run that made it.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot read {path}: {error.strerror}"]) from error
    if not data:
        raise ConfigError(mistakes=[f"{path} is empty: its training had charged nothing; start it anew"])
    return data
