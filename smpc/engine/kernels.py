"""torch's kernel for integer matrix products, where it is faster than numpy's loops.

Layer:       smpc.engine.kernels. Imports torch when first called.
Shapes:      as ``smpc.kernels``.
Guarantees:  exact mod ``2**64``, the very array that ``smpc.kernels.matmul`` returns; a party may use either
             (``session.matmul = kernels.matmul``), whatever the others use.
Source:      decision record 12, with what was measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.kernels import matmul as numpy_matmul

if TYPE_CHECKING:
    from smpc.ring import RingArray

_THIN: Final = 8
_FEW_PRODUCTS: Final = 1 << 15


def is_torch_faster(m: int, k: int, n: int) -> bool:
    """Whether torch is faster: neither operand thin, and enough to do."""
    return min(m, n) > _THIN and m * k * n >= _FEW_PRODUCTS


def matmul(a: RingArray, b: RingArray) -> RingArray:
    """Return the matrix product mod ``2**64``; two axes or more each."""
    if not is_torch_faster(a.shape[-2], a.shape[-1], b.shape[-1]):
        return numpy_matmul(a, b)
    import torch

    # torch warns of arrays that it may not write to, though it only reads these
    left, right = (torch.from_numpy(np.require(x, requirements=["W"])) for x in (a, b))
    result: RingArray = torch.matmul(left, right).numpy()
    return result
