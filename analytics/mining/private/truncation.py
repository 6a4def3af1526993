"""Baskets with more items than the plan counts: which of them a site keeps.

Layer:       analytics.mining.private; runs inside a site.
Guarantees:  a basket keeps at most so many items, by a keyed hash of what it holds itself and of the item: another basket
             never changes which ones. The key is fresh for every run.
Source:      docs/guarantees.md P6.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from analytics.mining.bitmaps import Words

KEY_BYTES = 32
_SEED_BYTES = 8
_BLOCK_ROWS = 1 << 16
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def truncated(words: Words, most: int, key: bytes) -> Words:
    """Cut baskets to so many items.

    Args:
        words: bitmaps of the items that are counted, ``(n_items, ceil(n_rows / 64))``.
        most: items that a basket keeps.
        key: of this run and site.

    Returns:
        Bitmaps of the same shape.
    """
    found = words.copy()
    weights = np.array([_seed(key, b"item%d" % number) for number in range(len(words))], dtype=np.uint64)
    step = _BLOCK_ROWS // 64
    for start in range(0, words.shape[1], step):
        block = np.ascontiguousarray(words[:, start : start + step])
        held = np.unpackbits(block.view(np.uint8), axis=1, bitorder="little")
        full = np.flatnonzero(held.sum(axis=0) > most)
        if not full.size:
            continue
        baskets = held[:, full].T.astype(bool)
        seeds = np.array([_seed(key, row.tobytes()) for row in np.packbits(baskets, axis=1)], dtype=np.uint64)
        ranks = _mixed(seeds[:, np.newaxis] ^ weights)
        ranks[~baskets] = np.iinfo(np.uint64).max
        kept = np.zeros_like(baskets)
        np.put_along_axis(kept, np.argpartition(ranks, most - 1, axis=1)[:, :most], values=True, axis=1)
        held[:, full] = (kept & baskets).T
        found[:, start : start + step] = np.packbits(held, axis=1, bitorder="little").view(np.uint64)
    return found


def _seed(key: bytes, data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, key=key, digest_size=_SEED_BYTES).digest(), "little")


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A bijection that spreads bits (splitmix64)."""
    for shift, factor in zip((30, 27), _MIX, strict=True):
        values = (values ^ (values >> np.uint64(shift))) * factor
    return values ^ (values >> np.uint64(31))
