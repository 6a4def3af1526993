"""CrypTen's settings and its autograd switch, kept per thread instead of per process.

Layer:       smpc.engine.settings.
Terms:       CrypTen overrides settings for the time of a call (``cfg.temp_override``) and switches gradients off and
             on; with sessions in several threads, one's override would change another's arithmetic, and with it the
             order in which material is taken.
Guarantees:  what a thread sets, no other sees; a new thread starts from what CrypTen's file says; settings that would
             bring in CrypTen's own dealer, protocol or checks are not consulted or are refused.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

_CONFIG: Final[ContextVar[Any]] = ContextVar("crypten_config")
_AUTOGRAD: Final[ContextVar[bool]] = ContextVar("crypten_autograd", default=True)


def isolate_settings(config: Any) -> None:
    """Give the one configuration object of CrypTen a value per thread."""
    base = object.__getattribute__(config, "config")
    config.__dict__.pop("config", None)

    def read(_: object) -> Any:
        return _CONFIG.get(base)

    def write(_: object, value: Any) -> None:
        _CONFIG.set(value)

    type(config).config = property(read, write)


def isolate_autograd(tensor_class: Any) -> None:
    """Give CrypTen's ``AUTOGRAD_ENABLED`` a value per thread; it begins switched on, as there.

    CrypTen reads and writes it on the class, so the property stands in the metaclass.
    """
    name = "AUTOGRAD_ENABLED"
    metaclass = type(tensor_class)
    if name in vars(metaclass):
        return

    def read(_: object) -> bool:
        return _AUTOGRAD.get()

    def write(_: object, value: bool) -> None:
        _AUTOGRAD.set(value)

    delattr(tensor_class, name)
    setattr(metaclass, name, property(read, write))
