"""A party's own integers as its summand of the joint sum.

Layer:       smpc.operations.inputs.
Guarantees:  the summand is uniform to every other party, and to any coalition that leaves two parties out; nothing is
             sent where all parties evaluate. Of three computing sites the first takes over the summands of all but
             the second, and each is uniform to it and independent of the others: into every one goes a keystream that
             its site shares with the second one alone. A coalition with the first but without the second lacks these
             keystreams too. The second and the dealing site are sent empty frames, which keep them in step.
See instead: noise and clamping (done before, by the caller), encoding (``ring.encode``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smpc.errors import RingRangeError
from smpc.operations.arithmetic import add
from smpc.randomness import Purpose
from smpc.ring import RING_BITS, encode, pack, unpack
from smpc.sharing import Shared
from smpc.transport.mesh import Step

if TYPE_CHECKING:
    from smpc.computing_sites import ThreeSites
    from smpc.ring import RingArray
    from smpc.session import Session


def contribute(session: Session, values: RingArray) -> Shared:
    """Share the sum over all parties of what each of them holds.

    Visible to: no party.
    Cost: 0 rounds; with three computing sites 1, in which all others send ``8 * values.size`` bytes to the first.

    Args:
        session: an open session.
        values: this party's own ring elements; every party brings the same shape.

    Returns:
        A share of the elementwise sum of all parties' values, mod ``2**64``; zeros where this party does not
        evaluate.

    Raises:
        RingRangeError: not an array of integers of the ring, before anything is sent: of a float that is no number,
            or a large one, no mask would be left.
    """
    values = encode(values, what="contribution")
    zero = session.zero_share(values.shape, purpose=Purpose.INPUT)
    if values.ndim == 0:
        raise RingRangeError(what="a contribution has at least one axis")
    summand = add(Shared(share=values), Shared(share=zero)).share
    return Shared(share=summand if session.sites is None else _hand_over(session, session.sites, summand))


def _hand_over(session: Session, sites: ThreeSites, summand: RingArray) -> RingArray:
    """Send the summand of a site that does not evaluate to the first that does, and empty frames to all others.

    Returns:
        The sum of what was handed over and the own summand, at the first; zeros where the summand was sent away.
    """
    handing = [name for name in session.peers if name not in sites.evaluators]
    if session.is_first:
        payloads = session.mesh.exchange(Step.INPUT, {}, dict.fromkeys(handing, summand.nbytes))
        handed = [
            unpack(payload, summand.size, RING_BITS).reshape(summand.shape) for payload in payloads.values()
        ]
        total: RingArray = np.sum([summand, *handed], axis=0, dtype=np.int64)
        return total
    outgoing: dict[str, bytes | memoryview] = {}
    if session.evaluator_rank < 0:
        outgoing.update(dict.fromkeys(session.peers, b""))
        outgoing[sites.first] = pack(summand, RING_BITS)
    session.mesh.exchange(Step.INPUT, outgoing, dict.fromkeys(handing, 0))
    return np.zeros_like(summand) if outgoing else summand
