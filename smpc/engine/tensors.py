"""Conversion between our shares and CrypTen's tensors, without a message and without an encoding.

Layer:       smpc.engine.tensors.
Terms:       precision is CrypTen's number of fractional bits; 0 means integers, which are exact.
Guarantees:  a share goes over bit by bit, in int64, and is copied, since CrypTen changes tensors in place. Products
             of tensors with precision 0 are exact and take the same material and rounds as ``operations.arithmetic``.
Accuracy: with precision above 0 CrypTen truncates after each product and is then wrong by ``2**(64 - 2 *
          precision)`` with probability about ``abs(x * y) * 2**(2 * precision) / 2**64`` an element.
          Approximations (reciprocal, exp, log, sqrt, sigmoid) are for small values, and never for released
          counts and sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from smpc.engine.crypten_patches import crypten
from smpc.engine.refusal import EngineRefusedError
from smpc.sharing import Shared


def to_crypten(shared: Shared, *, precision_bits: int = 0) -> Any:
    """Return CrypTen's ``MPCTensor`` of a share; 0 rounds.

    Visible to: no party.

    Args:
        shared: ring elements, already scaled by ``2**precision_bits``.
        precision_bits: what the tensor's encoder believes of them.
    """
    share = torch.from_numpy(shared.share.copy())
    return crypten().mpc.MPCTensor.from_shares(share, precision=precision_bits)


def to_arithmetic(shared: Shared) -> Any:
    """Return CrypTen's ``ArithmeticSharedTensor`` of integers; 0 rounds."""
    share = torch.from_numpy(shared.share.copy())
    return crypten().mpc.primitives.ArithmeticSharedTensor.from_shares(share, precision=0)


def from_crypten(tensor: Any, *, precision_bits: int = 0) -> Shared:
    """Return the share inside a CrypTen tensor, as ring elements; 0 rounds.

    Args:
        tensor: an ``MPCTensor`` or ``ArithmeticSharedTensor``.
        precision_bits: the precision that the caller expects.

    Raises:
        EngineRefusedError: the tensor is shared by XOR, or has another precision.
    """
    package = crypten()
    inner = tensor._tensor if isinstance(tensor, package.mpc.MPCTensor) else tensor  # noqa: SLF001
    if not isinstance(inner, package.mpc.primitives.ArithmeticSharedTensor):
        raise EngineRefusedError(what="a tensor that is not shared by sum")
    if inner.encoder.scale != 1 << precision_bits:
        raise EngineRefusedError(what="a tensor of another precision")
    return Shared(share=np.atleast_1d(inner.share.detach().numpy()).copy())
