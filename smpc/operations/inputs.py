"""How a party's own integers become its summand of the joint sum.

Floor:    smpc.operations.inputs.
Promise:  the summand is uniform to everybody else, and to any coalition that leaves two parties out; nothing
          is sent.
Not here: noise and clamping (done before, by the caller), encoding (``ring.encode``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smpc.randomness import Purpose
from smpc.sharing import Shared

if TYPE_CHECKING:
    from smpc.ring import RingArray
    from smpc.session import Session


def contribute(session: Session, values: RingArray) -> Shared:
    """Share the sum over all parties of what each of them holds.

    Sees: nobody.
    Cost: 0 rounds.

    Args:
        session: an open session.
        values: this party's own ring elements; every party brings the same shape.

    Returns:
        A share of the elementwise sum of all parties' values, mod ``2**64``.
    """
    return Shared(share=values + session.zero_share(values.shape, purpose=Purpose.INPUT))
