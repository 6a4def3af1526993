"""What the engine refuses.

Layer:       smpc.engine.refusal. Imports no torch.
"""

from __future__ import annotations

from smpc.errors import SmpcError


class EngineRefusedError(SmpcError):
    """CrypTen was asked for something that our sessions do not give it.

    Not a ``RuntimeError``: CrypTen's conversion to bits catches those and starts over.
    """

    def __init__(self, *, what: str) -> None:
        """Name the call or the property of the tensor."""
        self.what = what
        super().__init__(f"not available on a session: {what}")
