"""Obfuscators drawn ahead in the background, so that an update is encrypted in milliseconds.

Layer:       federation.paillier.obfuscator_pool, above ``obfuscators`` and ``child_process``; at sites alone.
Guarantees:  an obfuscator is given out at most once, and is overwritten in the pool before it is given out. The pool lives
             in the memory of the one process that made it and nowhere else: a forked copy of the process finds its copy
             of the pool erased and closed, a process that starts again has an empty one, and there is no way to write
             a pool to a file or to send it. The pool holds at most ``MOST`` obfuscators (of 768 bytes at 3072 bits), its
             child at most as many as a pipe takes. What the pool cannot give, ``cipher`` draws on the spot: a child that
             ends early costs time and nothing else.
See instead: new obfuscators as products of old ones (never made: sums of a hidden subset give them away). A virtual machine
             that is copied while it runs copies the pool as well: do not resume two copies of a site.
Source:      docs/guarantees.md P15.
"""

from __future__ import annotations

import json
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Final, NoReturn

import gmpy2

from federation.paillier.child_process import end_child, start_child
from federation.paillier.validation import ciphertext_bytes

if TYPE_CHECKING:
    import subprocess

    from federation.paillier.obfuscators import Recipe

MOST: Final = 8_192
IDLE_S: Final = 600.0
CHILD: Final = "federation.paillier.obfuscator_process"
_RETRY_S: Final = 30.0
_pools: weakref.WeakSet[ObfuscatorPool] = weakref.WeakSet()


class ObfuscatorPool:
    """Obfuscators of one key, each for one use; safe for many threads of one process."""

    def __init__(self, recipe: Recipe, *, most: int = MOST, idle_s: float = IDLE_S) -> None:
        """Start empty, without a child.

        Args:
            recipe: of the public key.
            most: bound on the obfuscators that are kept.
            idle_s: the child is ended once the pool was full for so long.
        """
        self._recipe, self._most, self._idle_s = recipe, most, idle_s
        self._width = ciphertext_bytes(recipe.n)
        self._owner = os.getpid()
        self._kept: list[bytearray] = []
        self._wanted = 0
        self._is_closed = False
        self._child: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._no_child_before_s = 0.0
        self._changed = threading.Condition()
        _watch(self)

    def __repr__(self) -> str:
        return f"ObfuscatorPool({len(self._kept)} of {self._wanted})"

    def __len__(self) -> int:
        return len(self._kept)

    def __reduce_ex__(self, _: object) -> NoReturn:
        """Refuse a copy: it would give every obfuscator out again.

        Raises:
            TypeError: always.
        """
        raise TypeError("a pool of obfuscators is neither copied nor written")

    def fill(self, count: int) -> None:
        """Have the pool filled in the background up to a number of obfuscators, and again after each use.

        Cost: one child process; at 3072 bits about 60 MiB, a second, then 3 ms an obfuscator, at a low priority.

        Args:
            count: how many the next update needs; more than ``most`` counts as that.
        """
        if os.getpid() != self._owner:
            return
        with self._changed:
            self._wanted = max(self._wanted, min(count, self._most))
            self._go_on()

    def take(self, count: int) -> list[int]:
        """Take up to ``count`` obfuscators out of the pool, for one use each.

        Visible to: the site alone.

        Returns:
            As many as there are, at most ``count``, as ``gmpy2.mpz``.
        """
        if os.getpid() != self._owner:
            return []
        with self._changed:
            taken = [_moved_out(self._kept.pop()) for _ in range(min(count, len(self._kept)))]
            if not self._is_closed:
                self._go_on()
        return taken

    def close(self) -> None:
        """Erase the pool and end its child; later calls of ``take`` give nothing."""
        if os.getpid() != self._owner:
            return
        with self._changed:
            self._erase()
            child, thread = self._child, self._thread
            self._changed.notify_all()
        if child is not None:
            child.kill()  # the thread that waits for it sees its end, and reaps it
        if thread is not None:
            thread.join()

    def _go_on(self) -> None:
        """Wake the thread, or start one; called under the lock."""
        self._changed.notify_all()
        is_due = len(self._kept) < self._wanted and time.monotonic() >= self._no_child_before_s
        if self._thread is None and is_due and not self._is_closed:
            self._thread = threading.Thread(target=self._run, name="obfuscators", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        child = start_child(CHILD)
        try:
            with self._changed:
                if self._is_closed:
                    return
                self._child = child
            self._receive(child)
        finally:
            end_child(child)
            with self._changed:
                self._child = self._thread = None

    def _receive(self, child: subprocess.Popen[bytes]) -> None:
        """Move obfuscators from the child into the pool, until it is closed, idle, or the child has ended."""
        recipe = self._recipe
        fields = {"n": f"{recipe.n:x}", "base": f"{recipe.base:x}", "exponent_bytes": recipe.exponent_bytes}
        pipe_in, pipe_out = child.stdin, child.stdout
        if pipe_in is None or pipe_out is None:
            return
        try:
            pipe_in.write(json.dumps(fields).encode("ascii") + b"\n")
        except BrokenPipeError:
            self._no_child_before_s = time.monotonic() + _RETRY_S
            return
        while self._is_wanted():
            entry = bytearray(self._width)
            if not _read_exactly(pipe_out.fileno(), entry) or not any(entry):
                self._no_child_before_s = time.monotonic() + _RETRY_S
                return
            with self._changed:
                if self._is_closed:
                    entry[:] = bytes(self._width)
                    return
                self._kept.append(entry)

    def _is_wanted(self) -> bool:
        """Wait until an obfuscator is wanted; False once the pool is closed or was full for the idle time."""
        with self._changed:
            return (
                self._changed.wait_for(
                    lambda: self._is_closed or len(self._kept) < self._wanted, timeout=self._idle_s
                )
                and not self._is_closed
            )

    def _erase(self) -> None:
        self._is_closed = True
        for entry in self._kept:
            entry[:] = bytes(len(entry))
        self._kept.clear()

    def _forked(self) -> None:
        """Erase the copy in a forked process, whose threads are gone and whose lock may be held by one of them."""
        self._changed = threading.Condition()
        self._erase()
        self._thread = None
        if self._child is not None:
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    pipe.close()
            self._child.returncode = 0  # a child of the parent, not of this process
            self._child = None


def _moved_out(entry: bytearray) -> int:
    """Read an obfuscator and overwrite its place."""
    value = gmpy2.mpz.from_bytes(bytes(entry), "big")
    entry[:] = bytes(len(entry))
    return value  # type: ignore[no-any-return]


def _read_exactly(descriptor: int, target: bytearray) -> bool:
    """Fill an array from a pipe; False at its end."""
    view, filled = memoryview(target), 0
    while filled < len(target):
        n_read = os.readv(descriptor, [view[filled:]])
        if n_read == 0:
            return False
        filled += n_read
    return True


def _watch(pool: ObfuscatorPool) -> None:
    """Have every pool erased in a process that is forked off this one."""
    if not _is_watching:
        os.register_at_fork(after_in_child=_forget_all)
        _is_watching.append(True)
    _pools.add(pool)


_is_watching: list[bool] = []


def _forget_all() -> None:
    for pool in list(_pools):
        pool._forked()  # noqa: SLF001
