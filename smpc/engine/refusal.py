"""The error for calls that the engine refuses.

Layer:       smpc.engine.refusal. Imports no torch.
"""

from __future__ import annotations

from smpc.errors import SmpcError


class EngineRefusedError(SmpcError):
    """CrypTen made a call that a session does not support.

    Not a ``RuntimeError``: CrypTen's conversion to bits catches those and starts over.
    """

    def __init__(self, *, what: str) -> None:
        """Name the call or the property of the tensor."""
        self.what = what
        super().__init__(f"not available on a session: {what}")
