"""A file that a command will write at its end, opened before it begins.

Layer:       federation.cli.output_file.
Guarantees:  a path that cannot be written is refused before anything is asked or charged. The target changes only
             when everything that belongs into it is there; an earlier file of that name stays until then.
See instead: what is written.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from federation.cli.outcome import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class OutputFile:
    """A place for a result."""

    def __init__(self, target: Path, beside: Path) -> None:
        """Take the target and the file beside it that is written first."""
        self._target, self._beside = target, beside

    def write(self, writer: Callable[[Path], None]) -> None:
        """Have a result written and put it in its place.

        Args:
            writer: writes everything to the path that it is given.

        Raises:
            UsageError: the disk is full, or the folder is gone meanwhile.
        """
        try:
            writer(self._beside)
            self._beside.replace(self._target)
        except OSError as error:
            raise UsageError(
                reason=f"--out {self._target} could not be written at the end ({error.strerror})"
            ) from error


@contextmanager
def output_file(target: Path) -> Iterator[OutputFile]:
    """Make a file beside the target now, so that writing it later cannot fail for want of a folder or of rights.

    Args:
        target: where the result is to be.

    Raises:
        UsageError: nothing can be written there.
    """
    if target.is_dir():
        raise UsageError(reason=f"--out {target} is a folder: name a file; nothing was asked")
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise UsageError(
            reason=f"--out {target} cannot be written ({error.strerror}): nothing was asked, nothing is spent"
        ) from error
    os.close(handle)
    beside = Path(name)
    try:
        yield OutputFile(target, beside)
    finally:
        beside.unlink(missing_ok=True)
