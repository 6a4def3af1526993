"""The id of the one session that a complete entry allows.

Layer:       privacy_accounting.ledger, above ``entries``. Pure.
Guarantees:  one body gives one session id; every site derives it alone.
See instead: the session itself (``smpc.session``), the note that it has started (``replication.replica``).
Source:      ours.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from privacy_accounting.ledger.canonical_json import malformed
from privacy_accounting.ledger.contents import Charge, Exact

if TYPE_CHECKING:
    from privacy_accounting.ledger.entries import Body

_SESSION_TAG: Final = b"crossward/ledger/session/1\x00"


def session_id_of_entry(body: Body) -> bytes:
    """Give the one session that a complete charge or exact disclosure allows.

    Returns:
        32 bytes: SHA-256 of the body; for training, of the body, the round and the attempt.

    Raises:
        LedgerRefusedError: the entry allows no session.
    """
    if not isinstance(body.content, Charge | Exact):
        raise malformed(f"a {body.kind} entry allows no session")
    asked = body.content.asked
    training = asked.round.to_bytes(8, "big") + asked.attempt.to_bytes(8, "big") if asked.run else b""
    data = body.to_bytes()
    return hashlib.sha256(_SESSION_TAG + len(data).to_bytes(8, "big") + data + training).digest()
