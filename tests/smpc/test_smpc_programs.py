"""Programs of any public operations on any shapes and widths give what Python's integers give, for all kinds of parties."""

from collections import Counter

import numpy as np
import pytest

from smpc.simulator import simulate
from tests.smpc.joint import THREE, THREE_OF_FOUR, Sites
from tests.smpc.programs import MAKERS, Program

PARTIES = [2, 3, 4, 5, THREE, THREE_OF_FOUR]
EACH = 20


def run(seed, n):
    """Make a program, run it, compare; return the names of its operations."""
    program = Program(np.random.default_rng(seed), 6)
    shapes, flat = program.expected()
    for seen_shapes, seen in simulate(program.joint, int(n), has_three_sites=isinstance(n, Sites)).values():
        assert seen_shapes == shapes, (seed, program.names)
        np.testing.assert_array_equal(seen, flat, err_msg=str((seed, program.names)))
    return program.names


@pytest.mark.parametrize("n", PARTIES, ids=str)
def test_law_any_program_gives_what_pythons_integers_give(n):
    begin = 1000 * PARTIES.index(n)
    for seed in range(begin, begin + EACH):
        run(seed, n)


def test_the_programs_above_reach_every_kind_of_operation():
    names = Counter()
    for n in range(len(PARTIES)):
        for seed in range(1000 * n, 1000 * n + EACH):
            names.update(Program(np.random.default_rng(seed), 6).names)
    assert len(names) >= len(MAKERS)
    assert min(names.values()) >= 3
