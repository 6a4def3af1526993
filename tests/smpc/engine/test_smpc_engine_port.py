"""CrypTen as engine: any program gives the same integers on either engine, and on both at once."""

import numpy as np
import pytest

from smpc.engine.arithmetic import CRYPTEN, ENGINES, use_engine
from smpc.simulator import simulate
from tests.smpc.joint import THREE, THREE_OF_FOUR, Sites
from tests.smpc.programs import Program

EACH = 12


def run(seed, n, engines):
    program = Program(np.random.default_rng(seed), 6)
    shapes, flat = program.expected()

    def joint(session):
        use_engine(session, engines[session.rank % len(engines)])
        return program.joint(session)

    outcome = simulate(joint, int(n), has_three_sites=isinstance(n, Sites))
    for seen_shapes, seen in outcome.values():
        assert seen_shapes == shapes, (seed, program.names)
        np.testing.assert_array_equal(seen, flat, err_msg=str((seed, program.names)))


@pytest.mark.parametrize("n", [2, 3, 4, THREE, THREE_OF_FOUR], ids=str)
@pytest.mark.parametrize("engines", [("crypten",), ENGINES], ids=["crypten", "mixed"])
def test_law_any_program_gives_the_same_on_either_engine(n, engines):
    for seed in range(90_000, 90_000 + EACH):
        run(seed, n, engines)


@pytest.mark.parametrize("n", [2, 3, THREE], ids=str)
def test_every_port_method_agrees_with_numpy_on_large_numbers(n):
    from smpc.operations.numpy_arithmetic import NUMPY

    rng = np.random.default_rng(int(n))
    a, b = (rng.integers(-(2**63), 2**63 - 1, (3, 4), dtype=np.int64) for _ in range(2))
    assert (CRYPTEN.add(a, b) == NUMPY.add(a, b)).all()
    assert (CRYPTEN.subtract(a, b) == NUMPY.subtract(a, b)).all()
    assert (CRYPTEN.negate(a) == NUMPY.negate(a)).all()
    assert (CRYPTEN.scale(a, b) == NUMPY.scale(a, b)).all()
    assert (CRYPTEN.scale(a, b[:1]) == NUMPY.scale(a, b[:1])).all()
    for axis in (None, 0, 1, -1):
        np.testing.assert_array_equal(CRYPTEN.total(a, axis), NUMPY.total(a, axis))
