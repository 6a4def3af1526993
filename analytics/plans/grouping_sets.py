"""A question's blocks over several grouping sets: one block for each aggregate and set.

Layer:       analytics.plans above noise_split and block_layout.
Terms:       a row belongs to at most one group of each set. With a weight ``u`` for each set, a portion whose row has a
             squared norm of q in one set has ``q sum u^2`` over all sets; its figures in a set have noise of variance
             ``l2^2 z^2 / (share u^2)``.
Guarantees:  integers and fractions alone, so that every site finds the same. The joint sensitivity of a row counts every
             set that it belongs to.
Source:      ours.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from analytics.plans.noise.noise_split import Portion, split
from analytics.statistics.blocks import Measure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from analytics.plans.block_layout import Layout
    from analytics.sql.query import BoundQuery
    from analytics.sql.terms.expressions import Integer
    from analytics.statistics.blocks import BlockSpec

_LEAST_NORM: Final = 256


def over_sets(query: BoundQuery, layout: Layout) -> Layout:
    """Repeat every block of a layout for each grouping set of its question.

    Args:
        query: the question.
        layout: of its aggregates, as if it had no grouping sets.

    Returns:
        The layout itself where there are no sets; else the blocks of the first aggregate in every set, then of the
        next, in portions of the same shares.
    """
    sets = query.grouping_sets
    if not sets:
        return layout
    portions = layout.portions or asked_for_themselves(layout.figures)
    return replace(
        layout,
        figures=tuple(block for block in layout.figures for _ in sets),
        portions=tuple(_repeated(each, layout.figures, [one.weight for one in sets]) for each in portions),
    )


def asked_for_themselves(figures: Sequence[BlockSpec]) -> tuple[Portion, ...]:
    """Divide a release whose counts are asked for besides what is divided by them.

    Args:
        figures: a count, sum and squares of an argument follow each other; the count of all rows comes first and belongs
            to arguments without a count of their own.
    """
    needs: dict[int, Fraction | None] = {}
    counts: dict[Integer, int] = {}
    for place, block in enumerate(figures):
        if block.measure is Measure.ROWS:
            needs[place] = None
        if block.measure is Measure.COUNT and block.argument is not None:
            needs[place], counts[block.argument] = None, place
    for block in figures:
        if block.argument is not None:
            counts.setdefault(block.argument, 0)
    return split(figures, needs, counts)


def _repeated(portion: Portion, figures: Sequence[BlockSpec], weights: Sequence[int]) -> Portion:
    """A portion over all sets."""
    n_sets, own = len(weights), portion.weights or (1,)
    square = portion.square if portion.weights else figures[portion.places[0]].bound ** 2
    square *= sum(weight**2 for weight in weights)
    # a norm is rounded up to a whole number: of a small one that would cost up to half of its privacy
    factor = 1 if math.isqrt(square) ** 2 == square else max(1, _LEAST_NORM // math.isqrt(square))
    return Portion(
        places=tuple(place * n_sets + number for place in portion.places for number in range(n_sets)),
        share=portion.share,
        weights=tuple(factor * mine * weight for mine in own for weight in weights),
        square=factor**2 * square,
    )
