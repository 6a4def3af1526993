import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpc.errors import RingRangeError
from smpc.operations import arithmetic as am
from smpc.simulator import simulate
from tests.smpc.joint import THREE, THREE_OF_FOUR, compute, parties, split_input

WORDS = st.integers(-(1 << 63), (1 << 63) - 1)


def wrapped(numbers, shape):
    """Python integers, mod 2**64, as numpy sees them: an oracle without numpy arithmetic."""
    return np.array([(int(v) + (1 << 63)) % (1 << 64) - (1 << 63) for v in numbers], np.int64).reshape(shape)


@given(pairs=st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=12), n=parties(5))
def test_sums_and_products_are_those_of_the_integers_mod_2_to_64(pairs, n):
    x, y = np.array(pairs, np.int64).T
    got = compute(
        lambda s, a, b: [
            am.add(a, b),
            am.subtract(a, b),
            am.multiply(s, a, b),
            am.square(s, a),
            am.add_public(s, a, y),
            am.subtract_from_public(s, y, a),
            am.multiply_public(a, y),
            am.negate(a),
            am.total(a),
        ],
        x,
        y,
        n=n,
    )
    oracle = [
        [a + b for a, b in pairs],
        [a - b for a, b in pairs],
        [a * b for a, b in pairs],
        [a * a for a, _ in pairs],
        [a + b for a, b in pairs],
        [b - a for a, b in pairs],
        [a * b for a, b in pairs],
        [-a for a, _ in pairs],
        [sum(a for a, _ in pairs)],
    ]
    for outcome, expected in zip(got, oracle, strict=True):
        np.testing.assert_array_equal(outcome, wrapped(expected, outcome.shape))


@pytest.mark.parametrize(
    ("left", "right"), [((3,), (3,)), ((3, 1), (1, 4)), ((1,), (5,)), ((2, 3, 4), (4,)), ((7, 2), (1, 1))]
)
@pytest.mark.parametrize("n", [2, 3, THREE, THREE_OF_FOUR])
def test_products_broadcast(left, right, n):
    rng = np.random.default_rng(5)
    x, y = (rng.integers(-(1 << 31), 1 << 31, shape) for shape in (left, right))
    np.testing.assert_array_equal(compute(am.multiply, x, y, n=n), x * y)


@pytest.mark.parametrize(
    ("left", "right"), [((1, 1), (1, 1)), ((3, 5), (5, 2)), ((4, 2, 3), (3, 6)), ((2, 3, 1), (2, 1, 4))]
)
@pytest.mark.parametrize("n", [2, 4, THREE, THREE_OF_FOUR])
def test_matrix_products(left, right, n):
    rng = np.random.default_rng(6)
    x, y = (rng.integers(-(1 << 62), 1 << 62, shape) for shape in (left, right))
    got = compute(am.matmul, x, y, n=n)
    exact = np.matmul(x.astype(object), y.astype(object))
    np.testing.assert_array_equal(got, wrapped(exact.ravel(), exact.shape))


def test_shapes_and_places():
    x = np.arange(24).reshape(2, 3, 4)
    got = compute(
        lambda s, a: [
            am.transpose(a),
            am.reshape(a, (6, 4)),
            am.take(a, [2, 0], axis=1),
            am.take(a, slice(1, 3), axis=2),
            am.concatenate([a, a], axis=1),
            am.stack([a, a]),
            am.broadcast(am.take(a, [0]), (2, 3, 4)),
            am.total(a, axis=1),
            am.matmul_public(np.ones((5, 3), np.int64), a),
        ],
        x,
    )
    oracle = [
        x.swapaxes(1, 2),
        x.reshape(6, 4),
        x[:, [2, 0]],
        x[:, :, 1:3],
        np.concatenate([x, x], 1),
        np.stack([x, x]),
    ]
    oracle += [np.broadcast_to(x[[0]], x.shape), x.sum(1), np.ones((5, 3), int) @ x]
    for outcome, expected in zip(got, oracle, strict=True):
        np.testing.assert_array_equal(outcome, expected)


@pytest.mark.parametrize(
    "operation",
    [
        lambda s, x: am.multiply(s, x, split_input(s, [1, 2])),
        lambda s, x: am.matmul(s, x, x),
        lambda s, x: am.matmul(s, split_input(s, np.ones((2, 3))), split_input(s, np.ones((2, 3)))),
        lambda s, x: am.add_public(s, x, 1 << 63),
    ],
    ids=["lengths", "vectors", "inner sizes", "public number"],
)
def test_invalid_shapes_and_numbers_are_refused_before_anything_is_sent(operation):
    def joint(session):
        x = split_input(session, np.arange(3))
        with pytest.raises(RingRangeError):
            operation(session, x)
        return session.counters.rounds

    assert simulate(joint, 2, prefetch=False).values() == [1, 1]
