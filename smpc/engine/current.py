"""The session that a call of CrypTen belongs to.

Layer:       smpc.engine.current. Imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smpc.engine.refusal import EngineRefusedError
from smpc.session import active_session

if TYPE_CHECKING:
    from smpc.session import Session


def current_session() -> Session:
    """Return the thread's active session.

    Raises:
        EngineRefusedError: the thread is in none, or in one of three computing sites: CrypTen knows no party that
            holds no share.
    """
    session = active_session()
    if session is None:
        raise EngineRefusedError(what="a call outside a session")
    if session.sites is not None:
        raise EngineRefusedError(what="CrypTen with three computing sites")
    return session
