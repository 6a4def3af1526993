"""Matrix products mod 2**64 against Python's integers, for every algorithm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from smpc.engine.kernels import is_torch_faster
from smpc.engine.kernels import matmul as torch_matmul
from smpc.kernels import Kernel, chosen, matmul, multiply_by
from smpc.operations import arithmetic
from smpc.operations.numeric.gram import gram
from smpc.operations.reveal import reveal_to_all
from smpc.simulator import simulate
from tests.smpc.joint import split_input

WORDS = st.integers(-(1 << 63), (1 << 63) - 1)
SIZES = st.integers(0, 9)


def exact(a, b):
    """On Python integers, brought into the ring at the end."""
    whole = np.zeros((a.shape[0], b.shape[1]), object)
    for i, row in enumerate(a.tolist()):
        for j, column in enumerate(b.T.tolist()):
            whole[i, j] = (sum(x * y for x, y in zip(row, column, strict=True)) + (1 << 63)) % (1 << 64) - (
                1 << 63
            )
    return whole.astype(np.int64)


@given(data=st.data(), m=SIZES, k=SIZES, n=SIZES)
def test_law_every_way_wraps_as_pythons_integers_do(data, m, k, n):
    a = data.draw(arrays(np.int64, (m, k), elements=WORDS))
    b = data.draw(arrays(np.int64, (k, n), elements=WORDS))
    for kernel in Kernel:
        np.testing.assert_array_equal(multiply_by(kernel, a, b), exact(a, b))


SHAPES = {
    (16, 16, 16): Kernel.DIRECT,
    (1, 200, 40): Kernel.ROWS,
    (60, 5, 60): Kernel.ROWS,
    (300, 30, 1): Kernel.DOTS,
    (20, 400, 20): Kernel.DOTS,
    (40, 50, 60): Kernel.DOTS,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("is_transposed", [False, True], ids=["as they lie", "transposed views"])
def test_the_choice_by_shape_and_its_product(shape, is_transposed):
    m, k, n = shape
    rng = np.random.default_rng(3)
    a, b = (rng.integers(-(1 << 63), (1 << 63) - 1, size) for size in ((m, k), (k, n)))
    if is_transposed:
        a, b = np.ascontiguousarray(a.T).T, np.asfortranarray(b)
    assert chosen(*shape) is SHAPES[shape]
    np.testing.assert_array_equal(matmul(a, b), exact(a, b))


@pytest.mark.parametrize(
    "shapes", [((3, 20, 30), (3, 30, 10)), ((20, 30), (2, 30, 10)), ((2, 1, 3, 4), (3, 4, 2))]
)
def test_leading_axes_are_broadcast(shapes):
    rng = np.random.default_rng(4)
    a, b = (rng.integers(-(1 << 63), (1 << 63) - 1, shape) for shape in shapes)
    got = matmul(a, b)
    leading = got.shape[:-2]
    left, right = (np.broadcast_to(part, leading + part.shape[-2:]) for part in (a, b))
    for place in np.ndindex(leading):
        np.testing.assert_array_equal(got[place], exact(left[place], right[place]))


def test_shapes_that_do_not_fit_are_refused():
    for kernel in Kernel:
        with pytest.raises(ValueError, match=r".+"):
            multiply_by(kernel, np.ones((2, 3), np.int64), np.ones((4, 2), np.int64))


@given(data=st.data(), m=st.integers(9, 14), n=st.integers(9, 14))
def test_law_torchs_kernel_gives_the_same(data, m, n):
    k = -(-(1 << 15) // (m * n))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    a, b = (rng.integers(-(1 << 63), (1 << 63) - 1, size) for size in ((m, k), (k, n)))
    a[0], b[:, 0] = data.draw(WORDS), data.draw(WORDS)
    b.flags.writeable = False
    assert is_torch_faster(m, k, n)
    np.testing.assert_array_equal(torch_matmul(a, b), exact(a, b))
    np.testing.assert_array_equal(torch_matmul(b.T, a.T), exact(b.T, a.T))


@pytest.mark.parametrize("shape", [(8, 1000, 1000), (1000, 1000, 8), (20, 20, 20), (0, 5, 5)])
def test_thin_and_small_products_stay_with_numpy(shape):
    m, k, n = shape
    assert not is_torch_faster(m, k, n)
    rng = np.random.default_rng(5)
    a, b = (rng.integers(-(1 << 63), (1 << 63) - 1, size) for size in ((m, k), (k, n)))
    np.testing.assert_array_equal(torch_matmul(a, b), matmul(a, b))


def test_parties_of_one_session_may_differ_in_their_kernel():
    rng = np.random.default_rng(6)
    x = rng.integers(-(1 << 63), (1 << 63) - 1, (40, 40))

    def joint(session):
        if session.is_first:
            session.matmul = torch_matmul
        shared = split_input(session, x)
        return [
            reveal_to_all(session, part)
            for part in (arithmetic.matmul(session, shared, shared), gram(session, shared))
        ]

    for product, own in simulate(joint, 3).values():
        np.testing.assert_array_equal(product, exact(x, x))
        np.testing.assert_array_equal(own, exact(x.T, x))
