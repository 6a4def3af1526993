"""The keystream that one party and the dealer share for one batch.

Floor:    smpc.dealer.seeds. Pure.
Promise:  a seed serves one batch of one session at one rank; under any other session id or rank it gives
          another stream.
"""

from __future__ import annotations

from smpc.randomness import Keystream, derive_key


def material_stream(seed: bytes, session_id: bytes, rank: int) -> Keystream:
    """Return the keystream of a 32-byte seed, bound to the session and the party's rank."""
    return Keystream(derive_key(seed, b"crossward/dealer/1" + session_id + bytes([rank])))
