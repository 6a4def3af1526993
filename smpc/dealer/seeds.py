"""The keystream that one party and the dealer share for one batch.

Layer:       smpc.dealer.seeds. Pure.
Guarantees:  a seed serves one batch of one session at one rank; under any other session id, batch or rank it gives
             another stream, so that even a seed that came twice would not give the same masks twice.
"""

from __future__ import annotations

from smpc.randomness import Keystream, derive_key


def material_stream(seed: bytes, session_id: bytes, rank: int, batch: int = 0) -> Keystream:
    """Return the keystream of a 32-byte seed, bound to the session, the party's rank and the batch."""
    place = session_id + bytes([rank]) + batch.to_bytes(4, "little")
    return Keystream(derive_key(seed, b"crossward/dealer/2" + place))
