"""Random programs of public operations with their results on Python's integers, run by every party."""

import numpy as np

from smpc.operations import (
    arithmetic,
    comparison,
    quantiles,
    reveal,
    selection,
    sorting,
    truncation,
)
from smpc.operations.numeric import fixed_matrix, fixed_point, gram, piecewise_linear
from smpc.ring import HIGHEST, LOWEST
from smpc.sharing import Shared
from tests.smpc.joint import split_input

WORD = 1 << 64
SHAPES = [
    (0,),
    (1,),
    (2,),
    (3,),
    (7,),
    (8,),
    (9,),
    (17,),
    (1, 1),
    (2, 3),
    (3, 2),
    (4, 1),
    (1, 5),
    (0, 3),
    (2, 1, 3),
]
LARGEST = 64


def signed(value):
    """An integer of the ring, in two's complement."""
    value = int(value) % WORD
    return value - WORD if value > HIGHEST else value


def ring(array):
    """The same of an array, as Python's integers."""
    array = np.asarray(array, dtype=object)
    out = np.empty(array.shape, dtype=object)
    out.reshape(-1)[:] = [signed(value) for value in array.reshape(-1)]
    return out


def width_of(*arrays):
    """The smallest width that holds all numbers; None where no width does."""
    values = [int(value) for array in arrays for value in np.asarray(array, dtype=object).reshape(-1)]
    bits = max([max(value if value >= 0 else -value - 1, 0).bit_length() + 1 for value in values], default=1)
    return bits if bits <= LARGEST else None


class Program:
    """Values on Python's integers beside the steps that make the same from shares.

    Attributes:
        inputs: what is shared at the beginning.
        plain: every value so far, as object arrays.
        steps: each makes the next value from a session and the values so far.
        names: of the operations, for coverage.
    """

    def __init__(self, rng, n_steps):
        self.rng, self.plain, self.steps, self.names = rng, [], [], []
        self.inputs = [self.numbers(self.shape()) for _ in range(2)]
        self.inputs.append(np.array([int(v) for v in rng.integers(0, 2, 6)], dtype=object))
        self.plain += [ring(values) for values in self.inputs]
        tries = 0
        while len(self.steps) < n_steps and tries < 20 * n_steps:
            tries += 1
            name = MAKERS[rng.integers(len(MAKERS))]
            getattr(self, name)()

    def joint(self, session):
        """What every party runs: all values, opened together."""
        values = [split_input(session, values.astype(np.int64)) for values in self.inputs]
        for step in self.steps:
            values.append(step(session, values))
        flat = [arithmetic.reshape(value, (value.size,)) for value in values]
        shapes = [value.shape for value in values]
        return shapes, reveal.reveal_to_all(session, arithmetic.concatenate(flat))

    def expected(self):
        """Shapes, and all values one after the other."""
        flat = [int(value) for array in self.plain for value in array.reshape(-1)]
        return [array.shape for array in self.plain], np.array(flat, dtype=np.int64)

    # -- drawing -------------------------------------------------------------------------------------------------

    def shape(self):
        return SHAPES[self.rng.integers(len(SHAPES))]

    def number(self):
        bits = int(self.rng.integers(1, 65))
        top = 1 << (bits - 1)
        choice = self.rng.integers(6)
        if choice == 0:
            return -top
        if choice == 1:
            return top - 1
        if choice == 2:
            return [0, 1, -1, LOWEST, HIGHEST, LOWEST + 1][self.rng.integers(6)]
        return (
            int(self.rng.integers(-top, top, dtype=np.int64, endpoint=False))
            if bits < 64
            else signed(int(self.rng.integers(0, 1 << 63)) * 2 + int(self.rng.integers(2)))
        )

    def numbers(self, shape):
        out = np.empty(shape, dtype=object)
        if self.rng.integers(2):  # all of one small width
            bits = int(self.rng.integers(1, 31))
            top = 1 << (bits - 1)
            pool = [-top, top - 1, 0]
            out.reshape(-1)[:] = [
                pool[self.rng.integers(3)] if self.rng.integers(3) == 0 else int(self.rng.integers(-top, top))
                for _ in range(out.size)
            ]
        else:
            out.reshape(-1)[:] = [self.number() for _ in range(out.size)]
        return out

    def any(self, condition=lambda array: True):
        places = [place for place, array in enumerate(self.plain) if condition(array) and array.size <= 80]
        full = [place for place in places if self.plain[place].size]
        places = full if full and self.rng.integers(12) else places  # nothing is a case, but a rare one
        return None if not places else places[self.rng.integers(len(places))]

    def like(self, place):
        """Another value whose shape can be broadcast against one."""

        def fits(array):
            try:
                return np.prod(np.broadcast_shapes(array.shape, self.plain[place].shape), dtype=int) <= 100
            except ValueError:
                return False

        return self.any(fits)

    def width(self, *arrays):
        smallest = width_of(*arrays)
        if smallest is None or self.rng.integers(2):
            return smallest
        return int(self.rng.integers(smallest, LARGEST + 1))

    def add(self, name, result, step):
        self.plain.append(ring(result))
        self.steps.append(step)
        self.names.append(name)

    # -- linear ----------------------------------------------------------------------------------------------------

    def sum_of_two(self):
        a = self.any()
        b = self.like(a)
        if self.rng.integers(2):
            self.add("add", self.plain[a] + self.plain[b], lambda s, v: arithmetic.add(v[a], v[b]))
        else:
            self.add("subtract", self.plain[a] - self.plain[b], lambda s, v: arithmetic.subtract(v[a], v[b]))

    def with_public(self):
        a = self.any()
        c = self.number() if self.rng.integers(2) else self.numbers(self.plain[a].shape)
        public = c if isinstance(c, int) else c.astype(np.int64)
        kind = self.rng.integers(3)
        if kind == 0:
            self.add("add_public", self.plain[a] + c, lambda s, v: arithmetic.add_public(s, v[a], public))
        elif kind == 1:
            self.add(
                "subtract_from_public",
                c - self.plain[a],
                lambda s, v: arithmetic.subtract_from_public(s, public, v[a]),
            )
        else:
            self.add(
                "multiply_public", self.plain[a] * c, lambda s, v: arithmetic.multiply_public(v[a], public)
            )

    def view(self):
        """A share that does not lie in order in memory."""
        a = self.any()
        if self.plain[a].ndim > 1:
            self.add(
                "view", self.plain[a].swapaxes(0, -1), lambda s, v: Shared(share=v[a].share.swapaxes(0, -1))
            )
        else:
            self.add("view", self.plain[a][::-2], lambda s, v: Shared(share=v[a].share[::-2]))

    def sum_along(self):
        a = self.any()
        axis = None if self.rng.integers(2) else int(self.rng.integers(self.plain[a].ndim))
        found = np.atleast_1d(np.array(self.plain[a].sum(axis=axis), dtype=object))
        self.add("total", found, lambda s, v: arithmetic.total(v[a], axis))

    def repeated(self):
        a = self.any(lambda array: array.size <= 20)
        shape = (2, *self.plain[a].shape)
        self.add(
            "broadcast", np.broadcast_to(self.plain[a], shape), lambda s, v: arithmetic.broadcast(v[a], shape)
        )

    def public_matrix(self):
        a = self.any(lambda array: array.ndim == 2)
        if a is None:
            return
        c = self.numbers((3, self.plain[a].shape[0]))
        public = c.astype(np.int64)
        self.add("matmul_public", dot(c, self.plain[a]), lambda s, v: arithmetic.matmul_public(public, v[a]))

    # -- products --------------------------------------------------------------------------------------------------

    def product(self):
        a = self.any()
        b = self.like(a)
        self.add("multiply", self.plain[a] * self.plain[b], lambda s, v: arithmetic.multiply(s, v[a], v[b]))

    def square(self):
        a = self.any()
        self.add("square", self.plain[a] ** 2, lambda s, v: arithmetic.square(s, v[a]))

    def matrix_product(self):
        a = self.any(lambda array: array.ndim == 2)
        b = None if a is None else self.any(lambda x: x.ndim == 2 and x.shape[0] == self.plain[a].shape[1])
        if b is None:
            return
        self.add("matmul", dot(self.plain[a], self.plain[b]), lambda s, v: arithmetic.matmul(s, v[a], v[b]))

    def gram(self):
        a = self.any(lambda array: array.ndim == 2)
        if a is not None:
            self.add("gram", dot(self.plain[a].T, self.plain[a]), lambda s, v: gram.gram(s, v[a]))

    def fixed_matrix(self):
        a = self.any(lambda array: array.ndim == 2)
        if a is None:
            return
        x, (n, d) = self.plain[a], self.plain[a].shape
        b, c = (self.any(lambda array, size=size: array.size == size) for size in (d, n))
        if b is None or c is None:
            return

        def step(session, values):
            held = fixed_matrix.FixedMatrix(session, values[a], n_forward=2, n_backward=1)
            w, r = arithmetic.reshape(values[b], (d, 1)), arithmetic.reshape(values[c], (n, 1))
            parts = [held.times(w), held.transposed_times(r), held.times(arithmetic.negate(w))]
            return arithmetic.concatenate(parts)

        w, r = self.plain[b].reshape(d, 1), self.plain[c].reshape(n, 1)
        self.add("fixed_matrix", np.concatenate([dot(x, w), dot(x.T, r), dot(x, -w)]), step)

    # -- comparisons -----------------------------------------------------------------------------------------------

    def compare(self):
        a = self.any()
        b = self.like(a)
        x, y = self.plain[a], self.plain[b]
        if self.rng.integers(2):
            bits = self.width(x - y)
            if bits is None:
                return
            kind = self.rng.integers(2)
            operation = (comparison.at_least, comparison.less_than)[kind]
            result = (x - y >= 0) if kind == 0 else (x - y < 0)
            self.add(operation.__name__, result.astype(int), lambda s, v: operation(s, v[a], v[b], bits))
        else:
            t = self.number()
            bits = self.width(x - t)
            if bits is not None:
                self.add(
                    "at_least", (x - t >= 0).astype(int), lambda s, v: comparison.at_least(s, v[a], t, bits)
                )

    def sign(self):
        a = self.any()
        bits = self.width(self.plain[a])
        if bits is not None:
            self.add(
                "is_negative",
                (self.plain[a] < 0).astype(int),
                lambda s, v: comparison.is_negative(s, v[a], bits),
            )

    def zero(self):
        a = self.any()
        b = self.like(a)
        difference = self.plain[a] - self.plain[b]
        most = max([abs(int(value)) for value in difference.reshape(-1)], default=0)
        bits = max(1, most.bit_length())
        if bits <= LARGEST:
            self.add(
                "equals", (difference == 0).astype(int), lambda s, v: comparison.equals(s, v[a], v[b], bits)
            )

    def thresholds(self):
        a = self.any(lambda array: array.size <= 20)
        some = self.numbers((int(self.rng.integers(1, 5)),))
        differences = self.plain[a] - some.reshape((-1,) + (1,) * self.plain[a].ndim)
        bits = self.width(differences)
        if bits is None:
            return
        public = some.astype(np.int64)
        self.add(
            "at_least_each",
            (differences >= 0).astype(int),
            lambda s, v: comparison.at_least_each(s, v[a], public, bits),
        )

    def cut(self):
        a = self.any()
        bits = self.width(self.plain[a])
        if bits is None:
            return
        shift = int(self.rng.integers(0, bits))
        half = (1 << shift) >> 1
        is_rounded = bool(self.rng.integers(2)) and width_of(self.plain[a] + half) is not None
        if is_rounded:
            bits = max(bits, width_of(self.plain[a] + half))
        value = (self.plain[a] + (half if is_rounded else 0)) // (1 << shift)
        self.add(
            "truncate",
            value,
            lambda s, v: truncation.truncate(s, v[a], shift, bits, is_rounded=is_rounded),
        )

    # -- choice ----------------------------------------------------------------------------------------------------

    def choose(self):
        bit = self.any(lambda array: all(value in (0, 1) for value in array.reshape(-1)))
        a = self.like(bit)
        result = self.plain[bit] * self.plain[a] + (1 - self.plain[bit]) * -self.plain[a]
        self.add("select", result, lambda s, v: selection.select(s, v[bit], v[a], arithmetic.negate(v[a])))

    def logic(self):
        bits = [self.any(lambda array: all(value in (0, 1) for value in array.reshape(-1)))]
        shape = self.plain[bits[0]].shape
        alike = [
            place
            for place, array in enumerate(self.plain)
            if array.shape == shape and all(value in (0, 1) for value in array.reshape(-1))
        ]
        bits += [alike[self.rng.integers(len(alike))] for _ in range(int(self.rng.integers(0, 7)))]
        product = np.ones(shape, dtype=object)
        for bit in bits:
            product = product * self.plain[bit]
        if self.rng.integers(2):
            self.add("all_of", product, lambda s, v: selection.all_of(s, *(v[bit] for bit in bits)))
        else:
            none = np.ones(shape, dtype=object)
            for bit in bits:
                none = none * (1 - self.plain[bit])
            self.add("any_of", 1 - none, lambda s, v: selection.any_of(s, *(v[bit] for bit in bits)))

    def limits(self):
        a = self.any()
        low, high = sorted((self.number(), self.number()))
        x = self.plain[a]
        bits = self.width(x - low, high - x)
        if bits is None:
            return
        if self.rng.integers(2):
            self.add(
                "between",
                ((x >= low) & (x <= high)).astype(int),
                lambda s, v: selection.between(s, v[a], low, high, bits),
            )
        else:
            self.add("clip", np.clip(x, low, high), lambda s, v: selection.clip(s, v[a], low, high, bits))

    def keep(self):
        a, t = self.any(), self.number()
        bits = self.width(self.plain[a] - t)
        if bits is not None:
            kept = np.where(self.plain[a] >= t, self.plain[a], 0)
            self.add("keep_at_least", kept, lambda s, v: selection.keep_at_least(s, v[a], t, bits))

    def pieces(self):
        a = self.any(lambda array: array.size <= 40)
        marks = sorted(self.number() for _ in range(int(self.rng.integers(1, 5))))
        bits = self.width(*(self.plain[a] - mark for mark in marks))
        if bits is None:
            return
        slopes, at_0 = (self.numbers((len(marks) + 1,)) for _ in range(2))
        function = piecewise_linear.PiecewiseLinear(
            thresholds=np.array(marks, dtype=np.int64),
            slopes=slopes.astype(np.int64),
            intercepts=at_0.astype(np.int64),
        )
        out = np.empty(self.plain[a].shape, dtype=object)
        out.reshape(-1)[:] = [
            int(slopes[(piece := sum(value >= mark for mark in marks))]) * value + int(at_0[piece])
            for value in self.plain[a].reshape(-1)
        ]
        self.add(
            "piecewise_linear", out, lambda s, v: piecewise_linear.piecewise_linear(s, v[a], function, bits)
        )

    def extremes(self):
        a = self.any(lambda array: 0 < array.shape[0] <= 9)
        if a is None or self.plain[a].size == 0:
            return
        x = self.plain[a]
        column = x.reshape(len(x), -1)
        bits = self.width(*(row - other for row in column for other in column))
        if bits is None:
            return
        kind = self.rng.integers(3)
        shape = x.shape[1:] or (1,)
        best = [max(range(len(x)), key=lambda i, c=c: (column[i, c], -i)) for c in range(column.shape[1])]
        found = {
            0: [max(column[:, c]) for c in range(column.shape[1])],
            1: [min(column[:, c]) for c in range(column.shape[1])],
            2: best,
        }[int(kind)]
        operation = (selection.maximum, selection.minimum, selection.argmax)[kind]
        out = np.empty(shape, dtype=object)
        out.reshape(-1)[:] = found
        self.add(operation.__name__, out, lambda s, v: operation(s, v[a], bits))

    # -- order -----------------------------------------------------------------------------------------------------

    def quantiles(self):
        a = self.any(lambda array: array.ndim == 1 and 1 <= array.size <= 17)
        if a is None:
            return
        x = [int(value) for value in self.plain[a]]
        smallest = width_of(np.array([one - other for one in x for other in x], dtype=object))
        if smallest is None:
            return
        ranking = sorted(range(len(x)), key=lambda i: (-x[i], i))
        if self.rng.integers(2):
            k = int(self.rng.integers(1, len(x) + 1))
            out = np.array([x[i] for i in ranking[:k]] + ranking[:k], dtype=object)
            bits = self.width(np.array([one - other for one in x for other in x], dtype=object))
            self.add(
                "top_k",
                out,
                lambda s, v: arithmetic.concatenate(list(quantiles.top_k(s, v[a], k, bits))),
            )
            return
        most_bits = LARGEST - max(len(x) - 1, 0).bit_length()
        if smallest > most_bits:
            return
        bits = smallest if self.rng.integers(2) else int(self.rng.integers(smallest, most_bits + 1))
        ascending = sorted(range(len(x)), key=lambda i: (x[i], i))
        out = np.array([x[i] for i in ascending] + ascending, dtype=object)
        self.add("sort", out, lambda s, v: arithmetic.concatenate(list(sorting.sort(s, v[a], bits))))

    def bins(self):
        counts = np.array(
            [int(v) for v in self.rng.integers(0, 5, int(self.rng.integers(1, 9)))], dtype=object
        )
        most = max(1, int(counts.sum()) + int(self.rng.integers(0, 3)))
        zero = self.any(lambda array: array.size > 0)
        whole = int(self.rng.integers(1, 9))
        part = int(self.rng.integers(1, whole + 1))
        running = np.cumsum(counts)
        public = counts.astype(np.int64)

        def shared(session, values):
            nothing = arithmetic.multiply_public(arithmetic.reshape(values[zero], (values[zero].size,)), 0)
            first = arithmetic.take(nothing, [0] * counts.size)
            return arithmetic.add_public(session, first, public)

        if self.rng.integers(2):
            found = next(i for i, reached in enumerate(running) if reached * whole >= part * running[-1])
            self.add(
                "quantile_bin",
                [found],
                lambda s, v: quantiles.quantile_bin(s, shared(s, v), part, whole, most),
            )
        else:
            k = int(self.rng.integers(1, most + 1))
            found = next((i for i, reached in enumerate(running) if reached >= k), counts.size)
            self.add("kth_bin", [found], lambda s, v: quantiles.kth_bin(s, shared(s, v), k, most))

    # -- fixed point -----------------------------------------------------------------------------------------------

    def fixed(self):
        a = self.any()
        b = self.like(a)
        fraction = int(self.rng.integers(1, 20))
        scale = fixed_point.FixedPoint(fraction=fraction, integer=63 - 2 * fraction)
        raw = self.plain[a] * self.plain[b]
        if any(abs(int(value)) > ((1 << scale.integer) - 1) << (2 * fraction) for value in raw.reshape(-1)):
            return
        half = 1 << (fraction - 1)
        self.add(
            "fixed_point.multiply",
            (raw + half) // (1 << fraction),
            lambda s, v: fixed_point.multiply(s, v[a], v[b], scale),
        )


MAKERS = [
    name
    for name, method in vars(Program).items()
    if callable(method)
    and not name.startswith("_")
    and name not in {"joint", "expected", "shape", "number", "numbers", "any", "like", "width", "add"}
]


def dot(a, b):
    """Matrix product of Python's integers."""
    out = np.zeros((a.shape[0], b.shape[1]), dtype=object)
    for k in range(a.shape[1]):
        out = out + a[:, k : k + 1] * b[k : k + 1, :]
    return out
