"""CrypTen's tuple provider, from the session's dealer.

Layer:       smpc.engine.provider.
Guarantees:  the same requests as ``operations`` makes, in the order of CrypTen's calls, so a dry run lists them and
             one fetch brings them; each piece once.
See instead: convolutions (no request for them), CrypTen's cache on disk.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch

from smpc.dealer.requests import ProductKind, Request, product, ring_bits, square, wraps
from smpc.engine.current import current_session
from smpc.engine.loading import load_crypten
from smpc.engine.refusal import EngineRefusedError
from smpc.ring import plane_bits

_KINDS: Final = {"mul": ProductKind.MUL, "matmul": ProductKind.MATMUL}


class SessionProvider:
    """Hands CrypTen the dealer's material; holds nothing."""

    NAME = "session"

    def generate_additive_triple(
        self, size0: Any, size1: Any, op: str, *args: object, device: object = None, **options: object
    ) -> tuple[Any, Any, Any]:
        """Return ``a``, ``b`` and their product."""
        del device
        if op not in _KINDS or args or options:
            raise EngineRefusedError(what=f"material for {op}")
        a, b, c = _take(product(_KINDS[op], size0, size1))
        return _arithmetic(a), _arithmetic(b), _arithmetic(c)

    def square(self, size: Any, device: object = None) -> tuple[Any, Any]:
        """Return ``r`` and its square."""
        del device
        r, r_squared = _take(square(size))
        return _arithmetic(r), _arithmetic(r_squared)

    def generate_binary_triple(self, size0: Any, size1: Any, device: object = None) -> tuple[Any, Any, Any]:
        """Return ``a``, ``b`` and their bitwise AND, XOR-shared."""
        del device
        a, b, c = _take(product(ProductKind.AND, size0, size1))
        return _binary(a), _binary(b), _binary(c)

    def wrap_rng(self, size: Any, device: object = None) -> tuple[Any, Any]:
        """Return ``r`` and how often its shares' running sum wraps."""
        del device
        r, theta = _take(wraps(size))
        return _arithmetic(r), _arithmetic(theta)

    def B2A_rng(self, size: Any, device: object = None) -> tuple[Any, Any]:  # noqa: N802  CrypTen's name
        """Return random bits shared by sum and by XOR."""
        del device
        count = int(np.prod(size, dtype=np.int64))
        plane, additive = _take(ring_bits(count))
        bits = plane_bits(plane, count).astype(np.int64).reshape(tuple(size))
        return _arithmetic(additive.reshape(tuple(size))), _binary(bits)


def _take(request: Request) -> tuple[Any, ...]:
    # torch writes where it likes; a correction lies in what the dealer sent
    return tuple(np.require(part, requirements=["W"]) for part in current_session().supply.take(request))


def _arithmetic(share: Any) -> Any:
    return load_crypten().mpc.primitives.ArithmeticSharedTensor.from_shares(
        torch.from_numpy(share), precision=0
    )


def _binary(share: Any) -> Any:
    return load_crypten().mpc.primitives.BinarySharedTensor.from_shares(torch.from_numpy(share), precision=0)
