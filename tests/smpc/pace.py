"""How long a healthy party may take on this machine now: what tests of silent parties wait, measured by a small known work.

A deadline fixed in seconds calls a healthy party lost on a busy machine: many sessions at once, other programs beside
them. So each test first runs undisturbed sessions, as many at once as it will have, and waits a multiple of what the
slowest exchange took. Where the machine became busier after that, a verdict is tried again with a longer deadline.
"""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

from smpc.simulator import simulate
from smpc.transport.memory import memory_meshes
from smpc.transport.mesh import Mesh
from tests.smpc.every_operation import fetched

WORK, PARTIES = "arithmetic.multiply", 3
LONG_S = 60.0
TIMES = 4.0  # of the slowest exchange measured
LONGER = 3.0  # for each further try
TRIES = 3


class Timed(Mesh):
    """A mesh that notes how long its slowest exchange took (s)."""

    def __init__(self, inner):
        self.names, self.rank, self.helper = inner.names, inner.rank, inner.helper
        self.counters, self._inner, self.slowest_s = inner.counters, inner, 0.0

    def exchange(self, kind, outgoing, expected):
        begin = time.monotonic()
        try:
            return self._inner.exchange(kind, outgoing, expected)
        finally:
            self.slowest_s = max(self.slowest_s, time.monotonic() - begin)

    def has_ended(self, peer):
        return self._inner.has_ended(peer)

    def has_spoken(self, peer):
        return self._inner.has_spoken(peer)

    def close(self, error=None):
        self._inner.close(error)


def in_memory(names, helper):
    return memory_meshes(names, helper, timeout_s=LONG_S)


def deadline_s(least_s, *, at_once, channels=in_memory):
    """A deadline that no healthy party misses: so many seconds at least, a multiple of what an exchange takes now."""
    meshes = []

    def timed(names, helper):
        own = {name: Timed(mesh) for name, mesh in channels(names, helper).items()}
        meshes.extend(own.values())
        return own

    def one(_):
        simulate(fetched(WORK, PARTIES), PARTIES, prefetch=False, channels=timed).values()

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, range(at_once)))
    return max(least_s, TIMES * max(mesh.slowest_s for mesh in meshes))


def is_within(seconds, limit_s):
    """Whether something took no longer than a limit, to which comes what a healthy party takes on a busy machine."""
    return seconds < limit_s or seconds < limit_s + deadline_s(0.0, at_once=4)


def patiently(strike, case, wait_s):
    """Strike a case with a deadline, and again with longer ones if a healthy party was late."""
    for further in range(TRIES - 1):
        with contextlib.suppress(AssertionError):
            strike(case, wait_s * LONGER**further)
            return
    strike(case, wait_s * LONGER ** (TRIES - 1))
