"""The parts of CrypTen 0.4.1 that are replaced by ours, each with its reason.

Layer:       smpc.engine.crypten_patches.
Guarantees:  done once in a process, before the first tensor; afterwards CrypTen has no generator, socket, dealer or
             setting that two sessions in one process would share.
Source:      the files of CrypTen 0.4.1 named below.
"""

from __future__ import annotations

import functools
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from smpc.engine import randomness
from smpc.engine.communicator import SessionCommunicator
from smpc.engine.loading import load_crypten
from smpc.engine.provider import SessionProvider
from smpc.engine.settings import isolate_autograd, isolate_settings

if TYPE_CHECKING:
    from collections.abc import Callable

_LOCK: Final = threading.Lock()
# common/rng.py defines them; four modules import these functions themselves
_GENERATORS: Final[dict[str, Callable[..., Any]]] = {
    "generate_random_ring_element": randomness.ring_elements,
    "generate_kbit_random_tensor": randomness.bit_words,
}


def crypten() -> Any:
    """Return CrypTen with our parts in it."""
    with _LOCK:
        return _prepared()


@functools.cache
def _prepared() -> Any:
    package = load_crypten()
    # communicator/__init__.py:16-22 looks this name up at each call: messages go over the session's mesh
    package.communicator.DistributedCommunicator = SessionCommunicator
    # communicator/__init__.py:19 raises RuntimeError outside a session, which converters.py:31 would swallow
    package.communicator.get = SessionCommunicator.get
    _replace_randomness(package)
    _mend_integers(package)
    # mpc/primitives/beaver.py:50,121,142,182,208: material comes from the session's dealer
    provider = SessionProvider()
    package.mpc.get_default_provider = lambda: provider
    # config/config.py:88 and cryptensor.py:151 are process-wide
    isolate_settings(package.config.cfg)
    isolate_autograd(package.CrypTensor)
    return package


def _replace_randomness(package: Any) -> None:
    # __init__.py:35: mt19937 seeded with 64 bits
    package.generators["local"] = randomness.OwnStreams()
    for role in ("prev", "next", "global"):
        package.generators[role] = randomness.RefusedStreams(role)
    for name, module in list(sys.modules.items()):
        if name.startswith("crypten."):
            for function, ours in _GENERATORS.items():
                if hasattr(module, function):
                    setattr(module, function, ours)
    # mpc/primitives/arithmetic.py:157 and binary.py:113: zero shares between neighbors only
    primitives = package.mpc.primitives
    for tensor_class, zero in (
        (primitives.ArithmeticSharedTensor, randomness.additive_zero),
        (primitives.BinarySharedTensor, randomness.exclusive_zero),
    ):
        tensor_class.PRZS = staticmethod(functools.partial(zero, tensor_class))


def _mend_integers(package: Any) -> None:
    """Correct CrypTen's handling of tensors with precision 0."""
    arithmetic, tensor_class = package.mpc.primitives.ArithmeticSharedTensor, package.mpc.MPCTensor
    divide, equals_zero = arithmetic.div_, tensor_class._eqz_2PC  # noqa: SLF001

    # mpc/primitives/arithmetic.py:599: a square of integers is divided by 1, in two rounds from 3 parties on
    @functools.wraps(divide)
    def divided(tensor: Any, divisor: Any) -> Any:
        return tensor if isinstance(divisor, int) and divisor == 1 else divide(tensor, divisor)

    # mpc/mpc.py:271: with two parties, "equal" comes out as 2**16, since the bit is scaled for the default
    # precision
    @functools.wraps(equals_zero)
    def exactly_zero(tensor: Any) -> Any:
        if tensor.encoder.scale != 1:
            return equals_zero(tensor)
        with package.config.cfg.temp_override({"encoder.precision_bits": 0}):
            return equals_zero(tensor)

    arithmetic.div_ = divided
    tensor_class._eqz_2PC = exactly_zero  # noqa: SLF001
