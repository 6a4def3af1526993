"""The import of CrypTen under today's torch.

Layer:       smpc.engine.loading.
Guarantees:  CrypTen is imported once, with one module name lent to it for the time of the import and taken back
             after; torch's own modules stay as they are.
"""

from __future__ import annotations

import functools
import importlib
import sys
import threading
from typing import Any, Final

# CrypTen 0.4.1, nn/onnx_converter.py:34, imports a torch module that torch 2.9 moved
_OLD_NAME: Final = "torch.onnx._internal.registration"
_NEW_NAME: Final = "torch.onnx._internal.torchscript_exporter.registration"
_LOCK: Final = threading.Lock()


@functools.cache
def load_crypten() -> Any:
    """Import CrypTen, some seconds the first time, and return the package."""
    with _LOCK:
        lent = _OLD_NAME not in sys.modules
        if lent:
            sys.modules[_OLD_NAME] = importlib.import_module(_NEW_NAME)
        try:
            return importlib.import_module("crypten")
        finally:
            if lent:
                del sys.modules[_OLD_NAME]
