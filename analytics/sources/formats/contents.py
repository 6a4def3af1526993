"""Whether a source's files are those that were read: their digest, and their state while they are read.

Layer:       analytics.sources.formats beside base.
Guarantees:  a file that is written, replaced, added or removed while it is read refuses the source: no table is half of
             one version and half of another. Equal digests mean equal names and bytes of all files of a source.
See instead: the copy that a digest belongs to (``analytics.sources.typed_copy``).
Source:      ours; SHA-256.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

State = tuple[tuple[str, int, int, int, int], ...]


def digest_of(paths: Sequence[Path]) -> str:
    """SHA-256 of what files hold, in hex.

    Args:
        paths: in a fixed order; of one file the digest is its own, of several that of the list of their names and digests.

    Raises:
        OSError: one cannot be read.
    """
    if len(paths) == 1:
        return _digest(paths[0])
    lines = "".join(f"{_digest(path)} {path}\n" for path in paths)
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def state_of(paths: Sequence[Path]) -> State:
    """What a file system says of files: it changes with each write, and with each file that takes another one's place.

    Args:
        paths: the files.

    Raises:
        OSError: one cannot be looked at.
    """
    found = [(path, path.stat()) for path in paths]
    return tuple(
        (str(path), each.st_dev, each.st_ino, each.st_size, each.st_mtime_ns) for path, each in found
    )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
