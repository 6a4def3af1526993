"""Errors between parties, each class by the party at fault.

Layer:       smpc.errors, above the base of all errors alone.
Guarantees:  a message is made from public fields only: names and fixed reasons, never a share, key or value. What
             comes from a peer is also a ``ConnectionError``, not a ``RuntimeError``, which CrypTen catches and
             retries.
"""

from __future__ import annotations

from typing import ClassVar

from crossward.base_error import CrosswardError


class SmpcError(CrosswardError):
    """Root of the errors of this package."""


class PartyLostError(SmpcError, ConnectionError):
    """A party was killed, froze, or left before the end."""

    wire_name: ClassVar[str] = "PartyLostError"

    def __init__(self, *, name: str) -> None:
        """Name the party."""
        self.name = name
        super().__init__(f"party {name} is lost")


class PeerRejectedError(SmpcError, ConnectionError):
    """A peer is not who it should be, or sent what the protocol does not allow."""

    wire_name: ClassVar[str] = "PeerRejectedError"

    def __init__(self, *, reason: str, name: str = "") -> None:
        """Name the reason, and the peer where it is known."""
        self.reason, self.name = reason, name
        super().__init__(f"peer {name} rejected: {reason}" if name else f"peer rejected: {reason}")


class RingRangeError(SmpcError):
    """A number is outside the range that the ring or a declared width allows."""

    wire_name: ClassVar[str] = "RingRangeError"

    def __init__(self, *, what: str) -> None:
        """Say what does not fit, without its value."""
        self.what = what
        super().__init__(f"out of range: {what}")


class MaterialError(SmpcError):
    """An operation needs material from the dealer that this session does not have."""

    wire_name: ClassVar[str] = "MaterialError"

    def __init__(self, *, what: str) -> None:
        """Say which material is missing, by kind and size."""
        self.what = what
        super().__init__(f"dealer material missing: {what}")


class MemoryLimitError(SmpcError):
    """A session would hold more memory than it may."""

    wire_name: ClassVar[str] = "MemoryLimitError"

    def __init__(self, *, needed_bytes: int, limit_bytes: int) -> None:
        """Say how much it would take and how much it may; both follow from public sizes."""
        self.needed_bytes, self.limit_bytes = needed_bytes, limit_bytes
        super().__init__(f"the session needs {needed_bytes} bytes of memory, its limit is {limit_bytes}")
