"""A result file that a command opens before it begins and writes at its end.

Layer:       federation.cli.questions.output_file.
Guarantees:  the command refuses a path that cannot be written before it asks or charges anything. The target changes
             only when the new content is complete; an earlier file of that name stays until then.
See instead: the content of each result (the commands).
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
    """The target of a result."""

    def __init__(self, target: Path, beside: Path, option: str) -> None:
        """Take the target, the temporary file beside it, and the option that named it."""
        self._target, self._beside, self._option = target, beside, option

    def write(self, writer: Callable[[Path], None]) -> None:
        """Write a result and put it in its place.

        Args:
            writer: writes the whole result to the path it receives.

        Raises:
            UsageError: the disk is full, or the folder was removed meanwhile.
        """
        try:
            writer(self._beside)
            self._beside.replace(self._target)
        except OSError as error:
            raise UsageError(
                reason=f"{self._option} {self._target} could not be written at the end ({error.strerror})"
            ) from error


@contextmanager
def output_file(target: Path, option: str = "--out") -> Iterator[OutputFile]:
    """Create the temporary file now, so that a missing folder or right cannot stop the result later.

    Args:
        target: the path of the result.
        option: what named it, for messages.

    Raises:
        UsageError: no file can be written there.
    """
    if target.is_dir():
        raise UsageError(reason=f"{option} {target} is a folder: name a file; nothing was asked")
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise UsageError(
            reason=f"{option} {target} cannot be written ({error.strerror}): nothing was asked, nothing is spent"
        ) from error
    os.close(handle)
    beside = Path(name)
    try:
        yield OutputFile(target, beside, option)
    finally:
        beside.unlink(missing_ok=True)
