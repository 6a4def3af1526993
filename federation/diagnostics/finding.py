"""The result of one check of the doctor.

Layer:       federation.diagnostics.finding, the lowest of the package.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check.

    Attributes:
        what: what was checked.
        is_good: whether it is correct.
        text: the result, and what to do where it is not good.
        is_fatal: whether further checks make no sense.
    """

    what: str
    is_good: bool
    text: str = ""
    is_fatal: bool = False

    def line(self) -> str:
        """Return the finding for a terminal."""
        mark = "ok " if self.is_good else "FIX"
        return f"{mark} {self.what}" + (f": {self.text}" if self.text else "")

    def to_dict(self) -> dict[str, object]:
        """Return the finding for machines."""
        return asdict(self)
