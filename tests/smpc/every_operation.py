"""Every public operation with a small input, for the fault tests. Enter each new operation here."""

import functools

import numpy as np

from smpc.cost import dry_run
from smpc.dealer.frames import INLINE_BYTES
from smpc.dealer.requests import encode_requests, mask, ring_bits, square
from smpc.engine import products
from smpc.operations import (
    arithmetic,
    bit_planes,
    comparison,
    grouped_and,
    inputs,
    open_masked,
    quantiles,
    reveal,
    selection,
    sorting,
    truncation,
)
from smpc.operations.numeric import fixed_point, functions, gram, logistic, normalized, piecewise_linear
from smpc.operations.numeric.fixed_point import FixedPoint
from smpc.operations.numeric.functions import Function
from smpc.operations.numeric.leverage import leverage_at_most
from smpc.operations.numeric.quotients import quotients
from smpc.operations.numeric.significant import Rounding, round_ratio
from smpc.operations.numeric.significant_integers import round_integers
from smpc.sharing import Shared
from tests.smpc.every_crypten_call import CALLS
from tests.smpc.joint import Sites, split_input

X = np.array([5, -6, 7, 0])
BITS = np.array([1, 0, 1, 1])
PARTS = np.array([[5, 1, 3], [4, 0, 2]])
COUNTS = np.array([2, 0, 3, 1])
SCALE = FixedPoint(fraction=6, integer=6)
HINGE = piecewise_linear.PiecewiseLinear(
    thresholds=np.array([0]), slopes=np.array([0, 1]), intercepts=np.array([0, 0])
)
STEPS = logistic.LogisticPlan(n_rows=2, n_columns=2, n_steps=2, step_bits=2)


def of(values, operation):
    """An operation on one shared input."""
    return lambda session: operation(session, split_input(session, values))


def square_of(session, x):
    return arithmetic.reshape(x, (2, 2))


def plane_of(session, bits=BITS):
    return bit_planes.from_ring(split_input(session, bits))


def in_ring(session, plane):
    return bit_planes.to_ring(session, plane, BITS.size)


def differences(session):
    r, _ = session.supply.take(square(X.shape))
    (opened,) = open_masked.open_differences(session, [(split_input(session, X).share, r)])
    return Shared(share=r + opened if session.is_first else r)


def masked(session):
    r, _ = session.supply.take(mask(X.size, 9))
    opened = open_masked.open_masked(session, split_input(session, X).share, r, 9)
    return Shared(share=((opened if session.is_first else 0) - r) << 55)  # nine bits alone mean something


def opened_planes(session):
    exclusive, _ = session.supply.take(ring_bits(BITS.size))
    (public,) = open_masked.open_planes(session, [(plane_of(session), exclusive)])
    return in_ring(session, exclusive ^ public if session.is_first else exclusive)


def below_mask(session):
    """Which mask comes is luck, so that only the way there is looked at."""
    _, words = session.supply.take(mask(X.size, 20))
    plane = comparison.public_below_mask(session, np.arange(X.size) * 9999, words)
    return arithmetic.multiply_public(in_ring(session, plane), 0)


def below_each(session):
    r, words = session.supply.take(mask(X.size, 9))
    public = open_masked.open_masked(session, split_input(session, X).share, r, 9)
    plane = comparison.below_each(session, public, words, np.array([0, 6]), 9)
    return bit_planes.to_ring(session, plane, 2 * X.size)


def product_of_planes(session):
    factors = np.stack([plane_of(session), plane_of(session, 1 - BITS), plane_of(session)])
    (both,) = bit_planes.multiply_planes(session, [bit_planes.Product(targets=(0b101,), factors=factors)])
    return in_ring(session, both[0])


def by_digits(session):
    own = X[X > 0] if session.is_first else X[X < 0]
    found = quantiles.quantile_by_digits(
        session, own, (-8, 8), (1, 2), 40, functools.partial(reveal.reveal_to_all, session)
    )
    return Shared(share=np.array([found * session.is_first]))


def one(pair):
    return arithmetic.concatenate(list(pair))


def fixed(operation, *more):
    return of(X * 16, lambda s, x: operation(s, x, *more, SCALE))


def function(operation):
    return of(np.array([70, 100, 128]), lambda s, x: operation(s, x, 1.0, 2.0, SCALE))


def doubled(operation):
    return of(X, lambda s, x: operation(s, square_of(s, x), square_of(s, x)))


def with_bit(operation):
    return lambda s: operation(s, split_input(s, BITS), split_input(s, X))


def bits_twice(operation):
    return lambda s: operation(s, split_input(s, BITS), split_input(s, 1 - BITS), split_input(s, BITS))


def each_group(session):
    bits = bit_planes.plane_bits(plane_of(session), BITS.size)
    groups = [np.array([[0, 2], [1, 3]]), np.array([[0, 3]])]  # two pairs, two single bits
    found = grouped_and.all_of_each(session, bits, groups)
    return in_ring(session, bit_planes.pack_plane(np.concatenate(found)))


def ratio(session):
    numbers, _ = normalized.normalize(session, split_input(session, X), 4)
    below = numbers.at([1, 2, 3, 0])
    rounded = round_ratio(session, numbers, below, Rounding(digits=1, places=1, decades=1))
    return arithmetic.concatenate([rounded, normalized.is_positive(session, below)])


def normal(session):
    numbers, signs = normalized.normalize(session, split_input(session, X), 40)
    both = normalized.sum_of(session, normalized.multiply(session, numbers, numbers), numbers)
    return arithmetic.concatenate(
        [both.mantissa, both.exponent, signs, normalized.is_positive(session, both)]
    )


def normal_products(session):
    numbers, _ = normalized.normalize(session, split_input(session, X), 8)
    both = normalized.multiply(session, numbers, numbers)
    return arithmetic.concatenate([both.mantissa, both.exponent])


def normal_sums(session):
    numbers, _ = normalized.normalize(session, split_input(session, X), 8)
    both = normalized.sum_of(session, numbers, numbers)
    return arithmetic.concatenate([both.mantissa, both.exponent])


def normal_signs(session):
    numbers, _ = normalized.normalize(session, split_input(session, X), 8)
    return normalized.is_positive(session, numbers)


OPERATIONS = {
    "arithmetic.add_public": of(X, lambda s, x: arithmetic.add_public(s, x, 3)),
    "arithmetic.subtract_from_public": of(X, lambda s, x: arithmetic.subtract_from_public(s, 3, x)),
    "arithmetic.multiply": of(X, lambda s, x: arithmetic.multiply(s, x, x)),
    "arithmetic.square": of(X, arithmetic.square),
    "arithmetic.matmul": doubled(arithmetic.matmul),
    "comparison.is_negative": of(X, lambda s, x: comparison.is_negative(s, x, 24)),
    "comparison.negative_plane": of(X, lambda s, x: in_ring(s, comparison.negative_plane(s, x, 9))),
    "comparison.at_least_each": of(X, lambda s, x: comparison.at_least_each(s, x, np.array([0, 6]), 9)),
    "comparison.is_zero": of(X, lambda s, x: comparison.is_zero(s, x, 24)),
    "comparison.at_least": of(X, lambda s, x: comparison.at_least(s, x, 3, 9)),
    "comparison.less_than": of(X, lambda s, x: comparison.less_than(s, x, x, 4)),
    "comparison.equals": of(X, lambda s, x: comparison.equals(s, x, 7, 9)),
    "comparison.public_below_mask": below_mask,
    "comparison.below_each": below_each,
    "fixed_point.multiply": of(X * 16, lambda s, x: fixed_point.multiply(s, x, x, SCALE)),
    "fixed_point.square": fixed(fixed_point.square),
    "fixed_point.matmul": of(
        X * 16, lambda s, x: fixed_point.matmul(s, square_of(s, x), square_of(s, x), SCALE)
    ),
    "fixed_point.gram": of(X * 16, lambda s, x: fixed_point.gram(s, square_of(s, x), SCALE)),
    "fixed_point.rescale": fixed(fixed_point.rescale),
    "functions.reciprocal": function(functions.reciprocal),
    "functions.signed_reciprocal": function(functions.signed_reciprocal),
    "functions.square_root": function(functions.square_root),
    "functions.exponential": function(functions.exponential),
    "functions.logarithm": function(functions.logarithm),
    "functions.sigmoid": function(functions.sigmoid),
    "functions.evaluate": of(
        np.array([70]),
        lambda s, x: functions.evaluate(s, x, functions.table(Function.RECIPROCAL, 1.0, 2.0, SCALE)),
    ),
    "gram.gram": of(X, lambda s, x: gram.gram(s, square_of(s, x))),
    "gram.gram_of_rows": lambda s: gram.gram_of_rows(s, X.reshape(2, 2) * s.is_first, 10, 10),
    "inputs.contribute": lambda s: inputs.contribute(s, X * s.is_first),
    "piecewise_linear.piecewise_linear": of(
        X, lambda s, x: piecewise_linear.piecewise_linear(s, x, HINGE, 9)
    ),
    "leverage.leverage_at_most": of(PARTS, lambda s, x: leverage_at_most(s, x, 2, steps=1)),
    "logistic.fit": of(X * 16, lambda s, x: logistic.fit(s, square_of(s, x), split_input(s, [0, 1]), STEPS)),
    "normalized.normalize": normal,
    "normalized.multiply": normal_products,
    "normalized.sum_of": normal_sums,
    "normalized.is_positive": normal_signs,
    "quotients.quotients": of(COUNTS, lambda s, x: quotients(s, arithmetic.stack([x]), x, (0,), 5)),
    "significant.round_ratio": ratio,
    "significant_integers.round_integers": of(X, lambda s, x: round_integers(s, x, 2, 3)),
    "open_masked.open_differences": differences,
    "open_masked.open_masked": masked,
    "open_masked.open_planes": opened_planes,
    "quantiles.kth_bin": of(COUNTS, lambda s, x: quantiles.kth_bin(s, x, 3, 40)),
    "quantiles.quantile_bin": of(COUNTS, lambda s, x: quantiles.quantile_bin(s, x, 1, 4, 40)),
    "quantiles.median_bin": of(COUNTS, lambda s, x: quantiles.median_bin(s, x, 40)),
    "quantiles.quantile_by_digits": by_digits,
    "quantiles.top_k": of(X, lambda s, x: one(quantiles.top_k(s, x, 2, 6))),
    "bit_planes.multiply_planes": product_of_planes,
    "bit_planes.all_planes": lambda s: in_ring(s, bit_planes.all_planes(s, np.stack([plane_of(s)] * 6))),
    "bit_planes.to_ring": lambda s: in_ring(s, plane_of(s)),
    "reveal.blinded_share": of(X, lambda s, x: Shared(share=reveal.blinded_share(s, x))),
    "reveal.reveal_to_all": of(X, lambda s, x: x),
    "selection.select": with_bit(lambda s, bit, x: selection.select(s, bit, x, arithmetic.negate(x))),
    "selection.keep_where": with_bit(selection.keep_where),
    "grouped_and.all_of_each": each_group,
    "selection.all_of": bits_twice(selection.all_of),
    "selection.all_at_least": of(X, lambda s, x: selection.all_at_least(s, x, np.array([5, -6, 0, 0]), 9)),
    "selection.any_of": bits_twice(selection.any_of),
    "selection.negation": of(BITS, selection.negation),
    "selection.between": of(X, lambda s, x: selection.between(s, x, -2, 5, 9)),
    "selection.clip": of(X, lambda s, x: selection.clip(s, x, -2, 2, 8)),
    "selection.keep_at_least": of(X, lambda s, x: selection.keep_at_least(s, x, 6, 9)),
    "selection.relu": of(X, lambda s, x: selection.relu(s, x, 9)),
    "selection.maximum": of(X, lambda s, x: selection.maximum(s, x, 5)),
    "selection.minimum": of(X, lambda s, x: selection.minimum(s, x, 5)),
    "selection.argmax": of(X, lambda s, x: selection.argmax(s, x, 5)),
    "sorting.shuffle": of(X, lambda s, x: arithmetic.total(sorting.shuffle(s, square_of(s, x)), axis=0)),
    "sorting.sort": of(X, lambda s, x: one(sorting.sort(s, x, 6))),
    "sorting.sort_rows": of(X, lambda s, x: sorting.sort_rows(s, square_of(s, x), 0, 6)),
    "truncation.truncate": of(X * 100, lambda s, x: truncation.truncate(s, x, 5, 12)),
    "products.multiply": of(X, lambda s, x: products.multiply(s, x, x)),
    "products.square": of(X, products.square),
    "products.matmul": doubled(products.matmul),
}
WITHOUT_DEALER = tuple(name for name in OPERATIONS if not name.startswith("products."))  # CrypTen refuses it


def opened(name):
    """What every party runs: the operation, then the opening of its result to all; or a call of CrypTen's."""
    if name in CALLS:
        return CALLS[name]
    return lambda session: reveal.reveal_to_all(session, OPERATIONS[name](session))


@functools.lru_cache(maxsize=None, typed=True)  # ``Sites(3)`` is not 3 here
def cost_of(name, n):
    return dry_run(opened(name), int(n), has_three_sites=isinstance(n, Sites))


def fetched(name, n):
    """The same with its material fetched in one go, without a dry run for every session."""
    requests = cost_of(name, n).requests

    def joint(session):
        session.prefetch(requests)
        return opened(name)(session)

    return joint


def n_exchanges(name, n):
    """A party's exchanges: keys, material if there is any, the operation, the opening."""
    cost = cost_of(name, n)
    is_long = not isinstance(n, Sites) and len(encode_requests(cost.requests)) > INLINE_BYTES
    return 1 + bool(cost.requests) + is_long + cost.rounds
