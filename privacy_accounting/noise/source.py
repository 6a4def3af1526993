"""Sources of uniform bytes.

Guarantees:  the only source of this package is the operating system; there is no seed, no state and no way to set
             one. A test that needs known bytes passes its own ``ByteSource``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Protocol


class ByteSource(Protocol):
    """Independent uniform bytes."""

    def bytes(self, n: int, /) -> bytes:
        """Return n fresh bytes."""
        ...


@dataclass(frozen=True, slots=True)
class SystemSource:
    """The operating system's entropy."""

    def bytes(self, n: int, /) -> bytes:
        """Return n fresh bytes; used once, never stored."""
        return os.urandom(n)
