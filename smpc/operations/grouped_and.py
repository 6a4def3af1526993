"""The AND of many groups of shared bits at once, of any sizes.

Layer:       smpc.operations.grouped_and, above bit_planes.
Shapes:      bits are XOR summands, one a byte, ``(n,)`` uint8 of 0 and 1; a group is a column of a matrix of places,
             ``(group size, n_groups)``; a matrix holds the groups of one size.
Guarantees:  a bit may stand in many groups; the rounds are those of the largest group.
Visible to:  the parties see bits XOR uniform ones.
See instead: the AND of whole arrays of one shape (``selection.all_of``).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from smpc.operations.bit_planes import Product, chunks, multiply_planes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from smpc.ring import ByteArray
    from smpc.session import Session

Places = npt.NDArray[np.int64]


def all_of_each(session: Session, bits: ByteArray, groups: Sequence[Places]) -> list[ByteArray]:
    """Return the AND of each group.

    Visible to: every party the bits XOR uniform ones.
    Cost: 1 round where the largest group has two to five bits, 2 up to twenty, 3 up to eighty; none where every group
        has one. A bit a peer for each place of a group, and a third more for large groups.

    Args:
        session: an open session.
        bits: XOR summands of the bits, shape ``(n,)``.
        groups: matrices of places, each of shape ``(group size, n_groups)``, group size at least 1.

    Returns:
        For each matrix XOR summands of shape ``(n_groups,)``.
    """
    left = [bits[places] for places in groups]
    while any(len(rows) > 1 for rows in left):
        cuts = [chunks(len(rows)) for rows in left]
        by_size: dict[int, list[ByteArray]] = {}
        for rows, cut in zip(left, cuts, strict=True):
            for chunk in cut:
                if len(chunk) > 1:
                    by_size.setdefault(len(chunk), []).append(rows[chunk.start : chunk.stop])
        results = _multiplied(session, by_size)
        left = [
            np.stack([rows[chunk.start] if len(chunk) == 1 else next(results[len(chunk)]) for chunk in cut])
            for rows, cut in zip(left, cuts, strict=True)
        ]
    return [rows[0] for rows in left]


def _multiplied(session: Session, by_size: dict[int, list[ByteArray]]) -> dict[int, Iterator[ByteArray]]:
    """Multiply factors of one number in one product each; results in the order given."""
    sizes = sorted(by_size)
    widths = {size: [part.shape[1] for part in by_size[size]] for size in sizes}
    products = [
        Product(
            targets=((1 << size) - 1,),
            factors=np.packbits(np.concatenate(by_size[size], axis=1), axis=1, bitorder="little"),
        )
        for size in sizes
    ]
    found: dict[int, Iterator[ByteArray]] = {}
    for size, planes in zip(sizes, multiply_planes(session, products), strict=True):
        flat = np.unpackbits(planes[0], count=sum(widths[size]), bitorder="little")
        found[size] = iter(np.split(flat, np.cumsum(widths[size])[:-1]))
    return found
