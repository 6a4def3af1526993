"""A unit's contribution depends on its own rows alone, to the last bit, not on other rows or their order."""

import numpy as np
import pytest
from training_world import task_of

from federation.training.encodings.features import Cases, Encoding, Feature
from federation.training.local_update import clamped_sum, unit_vectors
from federation.training.models.registry import MODELS


def cases_of_rows(rows, target, starts):
    return Cases(matrix=rows, target=target, starts=np.asarray(starts, np.intp))


def drawn(generator, n_units, width, *, most=1):
    sizes = generator.integers(1, most + 1, n_units)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    matrix = generator.uniform(-1, 1, (int(sizes.sum()), width))
    matrix[:, -1] = 1.0
    return matrix, generator.integers(0, 2, len(matrix)).astype(float), starts, sizes


OUTCOMES = (
    Feature(name="y", kind="categorical", domain=("a", "b", "c")),
    Feature(name="y", kind="boolean"),
    Feature(name="y", kind="numeric", lower=0, upper=4, resolution=1),
)


def encoding_for(name, width):
    """An encoding of this width whose outcome the model takes."""
    outcome = next(each for each in OUTCOMES if MODELS[name].outcome_mistake(each) is None)
    features = tuple(Feature(name=f"f{place}", kind="boolean") for place in range(width - 1))
    return Encoding(features=features, outcome=outcome)


# models of pictures: tests/images/test_picture_training.py
@pytest.mark.parametrize("name", sorted(name for name in MODELS if not MODELS[name].takes_pictures))
@pytest.mark.parametrize("most", [1, 5])
@pytest.mark.parametrize("width", [2, 3, 5, 13, 31, 64])
def test_a_units_numbers_are_the_same_bits_beside_any_other_rows(name, width, most):
    """The attack: a matrix product adds up in another order for the last rows of a block, so that a row which is
    added moves the numbers of others."""
    generator = np.random.default_rng(width * 10 + most)
    matrix, target, starts, sizes = drawn(generator, 41, width, most=most)
    model = generator.normal(size=MODELS[name].size(encoding_for(name, width))) * 3
    vectors_of = MODELS[name].unit_vectors
    whole = vectors_of(cases_of_rows(matrix, target, starts), model)
    for unit, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        own = slice(start, start + size)
        order = generator.permutation(size)
        alone = vectors_of(cases_of_rows(matrix[own][order], target[own][order], [0]), model)
        assert alone.gradients.tobytes() == whole.gradients[unit : unit + 1].tobytes()
        assert alone.losses.tobytes() == whole.losses[unit : unit + 1].tobytes()


@pytest.mark.parametrize("with_loss", [False, True])
def test_neighbors_differ_exactly_by_the_vector_of_the_removed_unit(heart, with_loss):
    """None of 480 neighboring pairs is beyond the declared norm; one in fourteen was, by the places of other rows.

    Half of the rows have a score of nearly 0 at these models, so that their gradients lie on an edge of the grid, where a
    last bit decides.
    """
    plan = heart.plan(task_of(report_loss=with_loss, clip_norm=4))
    width = plan.encoding.width
    generator = np.random.default_rng(4)
    beyond = 0
    for length in (3, 7, 8, 41, 61, 256) * 2:
        matrix, target, starts, _ = drawn(generator, length, width)
        matrix[::2] = 1.0
        model = generator.normal(size=width) * 4
        model[-1] = -model[:-1].sum()
        cases = cases_of_rows(matrix, target, starts)
        whole, vectors = clamped_sum(plan, cases, model), unit_vectors(plan, cases, model)
        for gone in generator.integers(0, length, 40):
            kept = np.arange(length) != gone
            less = clamped_sum(plan, cases_of_rows(matrix[kept], target[kept], np.arange(length - 1)), model)
            assert (whole - less).tolist() == vectors[gone].tolist()
            beyond += sum(int(value) ** 2 for value in whole - less) > plan.l2_unit**2
    assert beyond == 0
