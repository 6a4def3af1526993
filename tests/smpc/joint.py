"""Test helpers: share known values, run, open, compare with numpy."""

import numpy as np
from hypothesis import strategies as st

from smpc.operations.inputs import contribute
from smpc.operations.reveal import reveal_to_all
from smpc.sharing import Shared
from smpc.simulator import simulate


class Sites(int):
    """A number of sites of which three compute without a dealer."""

    def __repr__(self):
        return f"three of {int(self)}"

    __str__ = __repr__


THREE, THREE_OF_FOUR = Sites(3), Sites(4)


def parties(most):
    """Two to so many parties with a dealer, or three or four sites of which three compute."""
    return st.one_of(st.integers(2, most), st.sampled_from([THREE, THREE_OF_FOUR]))


def split_input(session, values):
    """Share values that the last party alone holds."""
    values = np.asarray(values, np.int64)
    own = values if session.rank == session.n_parties - 1 else np.zeros_like(values)
    return contribute(session, own)


def compute(operation, *inputs, n=3, **options):
    """Run an operation on shares of the inputs; return what every party saw opened (one array, after checking that all agree)."""

    def joint(session):
        outcome = operation(session, *(split_input(session, values) for values in inputs))
        if isinstance(outcome, Shared):
            return reveal_to_all(session, outcome)
        return [reveal_to_all(session, part) for part in outcome]

    first, *others = simulate(joint, int(n), has_three_sites=isinstance(n, Sites), **options).values()
    for other in others:
        for one, another in zip(first, other, strict=True):
            np.testing.assert_array_equal(one, another)
    return first
