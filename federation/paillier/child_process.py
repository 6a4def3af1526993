"""A child process that computes for its parent alone: numbers in over one pipe, numbers out over another.

Layer:       federation.paillier.child_process, the lowest module of this package. Standard library.
Guarantees:  the child is a new program, not a copy of its parent's memory: it knows what came over its pipe and nothing
             else. No number is in its arguments, its environment or a file; it writes no core file. It imports from
             where its parent imports, and never from the current folder. It ends when its parent has ended: its next
             write fails.
See instead: the computation (``obfuscator_process``, ``power_process``).
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from typing import Final

_NICENESS: Final = 10


def start_child(module: str) -> subprocess.Popen[bytes]:
    """Start a module as a child with a pipe in and a pipe out; what it says of a fault is thrown away.

    Args:
        module: its full name; run as a program.
    """
    # "-m" alone would import from the current folder first, where others may be able to write
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        env=os.environ | {"PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        close_fds=True,
    )


def end_child(child: subprocess.Popen[bytes]) -> None:
    """Kill a child and wait for its end; its memory is the system's again when this returns."""
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()


def begin_as_child(*, is_background: bool = False) -> None:
    """Called first in the child: no core file, and a low priority for work in the background."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if is_background:
        os.nice(_NICENESS)


def write_all(descriptor: int, data: bytes) -> bool:
    """Write to a pipe; False if its reader is gone."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BrokenPipeError:
            return False
    return True
