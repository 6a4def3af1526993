"""Opening of results: the only functions after which a recipient knows a shared value.

Layer:       smpc.operations.reveal. Importable without torch; ``recombine`` also without a session.
Terms:       a blinded share is a party's summand plus a fresh share of zero, which makes it uniform but for the sum
             of all.
Guarantees:  a recipient learns the sum and nothing of any summand, even together with the dealer, which knows the
             masks of every product but no key between two parties.
See instead: whether something may be opened, and to whom (``analytics.disclosure.release``, which alone imports this
             module).
Source:      ours; zero shares from all pairs as in ``randomness``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smpc.errors import PeerRejectedError
from smpc.randomness import Purpose
from smpc.ring import RING_BITS, RingArray, pack, unpack
from smpc.sharing import FEWEST_PARTIES, MOST_PARTIES, Shared
from smpc.transport.mesh import Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smpc.session import Session


def blinded_share(session: Session, x: Shared) -> RingArray:
    """Return this party's summand of an opening, for a recipient outside the session.

    Visible to: who gets every party's blinded share sees the secret; who gets all but one sees uniform numbers.
    Cost: 0 rounds.
    """
    return x.share + session.zero_share(x.shape, purpose=Purpose.REVEAL)


def recombine(summands: Iterable[RingArray]) -> RingArray:
    """Add up the blinded shares of all parties, at the recipient.

    Raises:
        PeerRejectedError: not 2 to 8 int64 arrays of one shape.
    """
    arrays = list(summands)
    if not FEWEST_PARTIES <= len(arrays) <= MOST_PARTIES:
        raise PeerRejectedError(reason="an opening has the summands of 2 to 8 parties")
    if any(array.dtype != np.int64 or array.shape != arrays[0].shape for array in arrays):
        raise PeerRejectedError(reason="summands of an opening differ in type or shape")
    result: RingArray = np.sum(np.stack(arrays), axis=0, dtype=np.int64)
    return result


def reveal_to_all(session: Session, x: Shared) -> RingArray:
    """Open a secret to every party.

    Visible to: every party the secret.
    Cost: 1 round; ``8 * x.size`` bytes a peer.
    """
    mine = blinded_share(session, x)
    replies = session.exchange(Step.REVEAL, pack(mine, RING_BITS))
    theirs = [unpack(reply, x.size, RING_BITS).reshape(x.shape) for reply in replies]
    return recombine([mine, *theirs])
