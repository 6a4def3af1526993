"""Tables of counts under independence: expected counts, Pearson's statistic, and p-values that know the noise.

Layer:       analytics.statistics, above noise_law; pure, public arithmetic after the opening.
Terms:       tables are stacks of shape ``(n, rows, columns)``; cells below 0, which only noise gives, count as 0.
Source:      K. Pearson 1900. Parametric bootstrap over a noise mechanism: Gaboardi et al. 1602.03090, Monte Carlo test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import numpy.typing as npt

from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator  # noqa: TID251  simulations after the opening

    from analytics.statistics.base import Ints

Floats = npt.NDArray[np.float64]
REPLICATES: Final = 1_999


class Drawn(Protocol):
    """Noise that can be drawn: that of a block, or of tables that were fitted to several."""

    def draw(self, size: int, generator: Generator) -> Floats:
        """So many figures, table by table; shape ``(size,)``."""
        ...


def expected_counts(tables: Floats) -> Floats:
    """Counts under independence; NaN where a table is empty."""
    known = np.maximum(tables, 0.0)
    total = known.sum(axis=(1, 2), keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = known.sum(axis=2, keepdims=True) * known.sum(axis=1, keepdims=True) / total
    return found


def pearson(tables: Floats, correction: float = 0.0) -> Floats:
    """Chi-square of each table, shape ``(n,)``; NaN where an expected count is not above 0.

    Args:
        tables: the stack.
        correction: what each difference is brought nearer to 0 by, at most.
    """
    expected = expected_counts(tables)
    difference = np.abs(np.maximum(tables, 0.0) - expected)
    difference -= np.minimum(difference, correction)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = (difference**2 / expected).sum(axis=(1, 2))
    return np.where((expected > 0).all(axis=(1, 2)), found, np.nan)


def pearson_under_noise(tables: Floats) -> Floats:
    """As ``pearson``, with nothing for cells of an empty row or column: 0 of an empty table, and never NaN."""
    expected = np.nan_to_num(expected_counts(tables))
    apart = (np.maximum(tables, 0.0) - expected) ** 2
    found: Floats = np.divide(apart, expected, out=np.zeros_like(apart), where=expected > 0).sum(axis=(1, 2))
    return found


def likelihood_ratio(tables: Floats, correction: float = 0.0) -> Floats:
    """G of each table, shape ``(n, rows, columns)`` to ``(n,)``; NaN where an expected count is not above 0."""
    expected = expected_counts(tables)
    apart = expected - tables
    moved = tables + np.sign(apart) * np.minimum(np.abs(apart), correction)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(moved > 0, moved * np.log(moved / expected), 0.0)
    found: Floats = 2 * terms.sum(axis=(1, 2))
    return np.where((expected > 0).all(axis=(1, 2)), np.maximum(found, 0.0), np.nan)


def noisy_pvalue(
    table: Floats,
    measure: Callable[[Floats], Floats],
    law: Drawn,
    seed: Ints,
    chances: Floats | None = None,
) -> float:
    """The share of tables under independence, or of given chances, with fresh noise, that a measure puts at least as far from it.

    A replicate whose measure is undefined counts as farther.

    Args:
        table: with noise, shape ``(rows, columns)``.
        measure: of each table of a stack; larger is farther. NaN where it is undefined.
        law: of the noise on each cell.
        seed: the answer's integers.
        chances: of each cell, in order; None: those of independence.

    Returns:
        At least ``1 / (1 + REPLICATES)``; NaN where the measure of the table itself is undefined.
    """
    own = float(measure(table[np.newaxis])[0])
    if np.isnan(own):
        return own
    found = measure(noisy_replicates(table, law, seed, chances))
    farther = int(np.count_nonzero(~(found < own)))
    return (1 + farther) / (1 + len(found))


def noisy_replicates(table: Floats, law: Drawn, seed: Ints, chances: Floats | None = None) -> Floats:
    """Tables of as many rows with fresh noise; arguments as ``noisy_pvalue``.

    Returns:
        Shape ``(REPLICATES, rows, columns)``.
    """
    generator = simulation(seed)
    if chances is None:
        expected = np.nan_to_num(expected_counts(table[np.newaxis])[0]).ravel()
        total = float(expected.sum())
        chances = expected / total if total > 0 else np.full(table.size, 1 / table.size)
    size = max(1, round(float(table.sum())))
    drawn = generator.multinomial(size, chances, size=REPLICATES)
    noise = law.draw(drawn.size, generator).reshape(drawn.shape)
    found: Floats = (drawn + noise).reshape(REPLICATES, *table.shape)
    return found
