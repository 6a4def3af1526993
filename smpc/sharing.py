"""Additive secret sharing over the integers mod ``2**64``.

Layer:       smpc.sharing. Pure: no peers, no sockets, no clock.
Terms:       a share is one party's summand; the secret is the sum of all shares.
Shapes:      secret ``S`` -> one share of shape ``S`` per party; int64 throughout, at least one axis.
Guarantees:  any n_parties - 1 shares are uniform, whatever the secret; no ``repr`` shows a share.
See instead: putting shares together again (``operations.reveal``).
Source:      eprint 2011/535, online phase (there over a field, here over a ring).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.errors import RingRangeError

if TYPE_CHECKING:
    from smpc.randomness import Keystream
    from smpc.ring import RingArray

FEWEST_PARTIES: Final = 2
MOST_PARTIES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shared:
    """One party's hold on a secret array.

    Attributes:
        share: this party's summand, int64, at least one axis; never changed in place.
    """

    share: RingArray = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what is not an array of ring elements."""
        given: object = self.share
        if not isinstance(given, np.ndarray) or given.dtype != np.int64 or given.ndim == 0:
            raise RingRangeError(what="a share is an int64 array with at least one axis")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the secret."""
        return self.share.shape

    @property
    def size(self) -> int:
        """Number of secret elements."""
        return self.share.size


def share(secret: RingArray, n_parties: int, keystream: Keystream) -> tuple[Shared, ...]:
    """Split a secret into additive shares.

    Visible to: no party; runs in the owner's process.
    Cost: 0 rounds; ``8 * (n_parties - 1) * secret.size`` bytes of the keystream.

    Args:
        secret: ring elements, shape ``S``.
        n_parties: 2 to 8.
        keystream: uniform bytes, used for nothing else.

    Returns:
        One ``Shared`` per party in rank order; they sum to ``secret`` mod ``2**64``.

    Raises:
        RingRangeError: the number of parties or the array is not as said.
    """
    if not FEWEST_PARTIES <= n_parties <= MOST_PARTIES:
        raise RingRangeError(what="number of parties")
    masks = [keystream.draw_ring(secret.shape) for _ in range(n_parties - 1)]
    last = secret - np.sum(masks, axis=0, dtype=np.int64)
    return tuple(Shared(share=summand) for summand in (*masks, last))
