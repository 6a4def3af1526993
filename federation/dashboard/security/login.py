"""Signing in: a token that works once, and the sessions of the browsers that have used one.

Layer:       federation.dashboard.security, lowest.
Guarantees:  a token opens one session and is then worthless. Tokens, cookies and form secrets are compared in constant
             time, and of the first two only hashes are kept. After ``MOST_WRONG`` wrong tokens within a minute every
             token is refused for a minute.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_WRONG: Final = 5
WINDOW_S: Final = 60.0
IDLE_S: Final = 8 * 3600.0
MOST_SESSIONS: Final = 8
_BYTES: Final = 32


@dataclass(slots=True)
class BrowserSession:
    """One signed-in browser.

    Attributes:
        form_secret: stands in every form; a request without it is refused.
        seen_s: when it last asked for a page.
    """

    form_secret: str
    seen_s: float


class Login:
    """Tokens and sessions of one dashboard. Safe for several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without a token and without a session."""
        self._clock = clock
        self._lock = threading.Lock()
        self._token = b""
        self._sessions: dict[bytes, BrowserSession] = {}
        self._wrong: list[float] = []

    def new_token(self) -> str:
        """Return a fresh token; an earlier one that was not used becomes worthless."""
        token = secrets.token_urlsafe(_BYTES)
        with self._lock:
            self._token = _hash(token)
        return token

    def is_blocked(self) -> bool:
        """Whether too many wrong tokens came within the last minute."""
        with self._lock:
            return self._is_blocked()

    def sign_in(self, token: str) -> str | None:
        """Use a token.

        Args:
            token: as it was printed.

        Returns:
            The value of the session cookie; None where the token is wrong, used, or not looked at for now.
        """
        with self._lock:
            if self._is_blocked():
                return None
            is_right = bool(self._token) and hmac.compare_digest(_hash(token), self._token)
            if not is_right:
                self._wrong.append(self._clock())
                return None
            self._token = b""
            cookie = secrets.token_urlsafe(_BYTES)
            while len(self._sessions) >= MOST_SESSIONS:
                self._sessions.pop(min(self._sessions, key=lambda each: self._sessions[each].seen_s))
            self._sessions[_hash(cookie)] = BrowserSession(secrets.token_urlsafe(_BYTES), self._clock())
            return cookie

    def session_of(self, cookie: str) -> BrowserSession | None:
        """Return the session of a cookie; None without one, or after ``IDLE_S`` without a request."""
        with self._lock:
            found = self._sessions.get(_hash(cookie))
            if found is None:
                return None
            if self._clock() - found.seen_s > IDLE_S:
                del self._sessions[_hash(cookie)]
                return None
            found.seen_s = self._clock()
            return found

    def sign_out(self, cookie: str) -> None:
        """End the session of a cookie."""
        with self._lock:
            self._sessions.pop(_hash(cookie), None)

    def _is_blocked(self) -> bool:
        now = self._clock()
        self._wrong = [each for each in self._wrong if now - each < WINDOW_S]
        return len(self._wrong) >= MOST_WRONG


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
