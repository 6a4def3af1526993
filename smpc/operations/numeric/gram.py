"""The Gram matrix ``X^T X`` of rows: from each site's own rows without a product, or from shared rows.

Layer:       smpc.operations.numeric.gram.
Terms:       ``X`` has one row per observation; entry (i, j) of its Gram matrix is the sum over the rows of the
             product of columns i and j.
Shapes:      rows ``(n, d)`` -> ``(d, d)``; as a triangle ``(d (d + 1) / 2,)``, the upper one row by row.
Guarantees:  exact mod ``2**64``; for own rows it is also refused where the ring could overflow. Rows that stay with
             their site are never shared: they enter as one site's sum.
Visible to:  of own rows no party sees anything; of shared rows all parties see ``X`` minus a uniform mask, once.
See instead: fixed point, bounds and noise (the caller's), solving.
Source:      the square pair of eprint 2011/535, on matrices: one operand is both, so one mask serves both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smpc.dealer.requests import gram as gram_request
from smpc.errors import RingRangeError
from smpc.operations.inputs import contribute
from smpc.operations.open_masked import open_differences
from smpc.ring import HIGHEST, RingArray, encode
from smpc.sharing import Shared

if TYPE_CHECKING:
    from smpc.session import Session


def gram_of_rows(session: Session, rows: RingArray, magnitude: int, most_rows: int) -> Shared:
    """Return shares of the Gram matrix of all sites' rows together, as a triangle.

    Visible to: no party.
    Cost: 0 rounds; opening it takes ``4 * d * (d + 1)`` bytes a peer.

    Args:
        session: an open session.
        rows: this site's own, shape ``(n, d)``; ``n`` may be 0 and need not be the same at all sites.
        magnitude: public bound of every entry's absolute value.
        most_rows: public bound of the number of rows at all sites together.

    Raises:
        RingRangeError: not a matrix, outside the bounds, or bounds under which the ring could overflow.
    """
    if magnitude < 0 or most_rows < 0 or magnitude * magnitude * most_rows > HIGHEST:
        raise RingRangeError(what="bounds of a Gram matrix")
    own = encode(rows, what="row of a Gram matrix")
    if own.ndim != 2 or own.shape[0] > most_rows:  # noqa: PLR2004  a matrix has two axes
        raise RingRangeError(what="rows of a Gram matrix")
    if np.any(own > magnitude) or np.any(own < -magnitude):
        raise RingRangeError(what="entry of a Gram matrix's rows")
    return contribute(session, triangle(session.matmul(own.T, own)))


def gram(session: Session, x: Shared) -> Shared:
    """Return shares of ``x^T x`` of shared rows, or of each matrix of a stack.

    Visible to: all parties ``x - mask``, uniform.
    Cost: 1 round; ``8 * x.size`` bytes a peer, half of what ``matmul`` takes; one ``GRAM``.

    Args:
        session: an open session.
        x: shape ``(*S, n, d)``.

    Returns:
        Shape ``(*S, d, d)``.

    Raises:
        RingRangeError: fewer than two axes, before anything is sent.
    """
    if len(x.shape) < 2:  # noqa: PLR2004  a matrix has two axes
        raise RingRangeError(what="shape of a Gram matrix's rows")
    mask, mask_gram = session.supply.take(gram_request(x.shape))
    (epsilon,) = open_differences(session, [(x.share, mask)])
    # (e + a)^T (e + a) = e^T e + e^T a + (e^T a)^T + a^T a
    crossed = session.matmul(epsilon.swapaxes(-1, -2), mask)
    share = mask_gram + crossed + crossed.swapaxes(-1, -2)
    return Shared(
        share=share + session.matmul(epsilon.swapaxes(-1, -2), epsilon) if session.is_first else share
    )


def triangle(matrix: RingArray) -> RingArray:
    """Return the upper triangle of a symmetric matrix, row by row."""
    return matrix[np.triu_indices(matrix.shape[0])]


def from_triangle(a: Shared) -> Shared:
    """Return the symmetric matrix of a triangle, shape ``(d, d)``; 0 rounds.

    Raises:
        RingRangeError: no triangle has so many entries.
    """
    d = round((2 * a.size + 0.25) ** 0.5 - 0.5)
    if len(a.shape) != 1 or d * (d + 1) // 2 != a.size:
        raise RingRangeError(what="length of a triangle")
    upper = np.zeros((d, d), dtype=np.int64)
    upper[np.triu_indices(d)] = a.share
    return Shared(share=upper + np.triu(upper, 1).T)
