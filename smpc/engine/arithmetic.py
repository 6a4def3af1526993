"""CrypTen as an implementation of the arithmetic on shares: its integer tensors over our session and material.

Layer:       smpc.engine.arithmetic, above tensors. Imports torch when first used.
Terms:       a tensor here is CrypTen's ``ArithmeticSharedTensor`` of precision 0: integers mod ``2**64``, exact.
Guarantees:  sums, products, squares and matrix products are CrypTen's; they take the material and send the frames
             that ``operations.numpy_arithmetic`` does, so that parties of one session may differ, and a dry run in
             numpy prices both. Of three computing sites, CrypTen adds and numpy multiplies, since CrypTen knows no
             party that holds no share. CrypTen's fixed point, comparisons and powers are never reached.
Visible to:  the parties see operands minus uniform masks.
Source:      decision record 21.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from smpc.engine.kernels import matmul
from smpc.engine.refusal import EngineRefusedError
from smpc.operations.numpy_arithmetic import NUMPY
from smpc.sharing import Shared

if TYPE_CHECKING:
    from smpc.ring import RingArray
    from smpc.session import Session, ShareArithmetic

ENGINES: Final = ("crypten", "numpy")


class CrypTenArithmetic:
    """The port ``session.ShareArithmetic`` in CrypTen's tensors."""

    name = "crypten"

    def add(self, a: RingArray, b: RingArray) -> RingArray:
        """Return ``a + b``."""
        return _array(_tensor(a) + _tensor(b))

    def subtract(self, a: RingArray, b: RingArray) -> RingArray:
        """Return ``a - b``."""
        return _array(_tensor(a) - _tensor(b))

    def negate(self, a: RingArray) -> RingArray:
        """Return ``-a``."""
        return _array(-_tensor(a))

    def scale(self, a: RingArray, constant: RingArray) -> RingArray:
        """Return ``a * constant``."""
        import torch

        return _array(_tensor(a) * torch.from_numpy(np.require(constant, requirements=["W"])))

    def total(self, a: RingArray, axis: int | None) -> RingArray:
        """Return the sum along an axis, or over everything as shape ``(1,)``."""
        tensor = _tensor(a)
        return _array(tensor.sum() if axis is None else tensor.sum(axis))

    def multiply(self, session: Session, a: Shared, b: Shared) -> Shared:
        """Return shares of the elementwise product; see ``operations.arithmetic``."""
        if session.sites is not None or a.size == 0 or b.size == 0:
            return NUMPY.multiply(session, a, b)
        with session.activated():
            return Shared(share=_array(_tensor(a.share).mul(_tensor(b.share))))

    def square(self, session: Session, a: Shared) -> Shared:
        """Return shares of ``a * a``; see ``operations.arithmetic``."""
        if session.sites is not None or a.size == 0:
            return NUMPY.square(session, a)
        with session.activated():
            return Shared(share=_array(_tensor(a.share).square()))

    def matmul(self, session: Session, a: Shared, b: Shared) -> Shared:
        """Return shares of the matrix product; see ``operations.arithmetic``."""
        if session.sites is not None or a.size == 0 or b.size == 0:
            return NUMPY.matmul(session, a, b)
        with session.activated():
            return Shared(share=_array(_tensor(a.share).matmul(_tensor(b.share))))


CRYPTEN: Final = CrypTenArithmetic()


def prepare_engine(name: str) -> str:
    """Load what an engine needs, before its first session; a parent does it before it forks.

    One thread a process: sites on one machine share its cores, and a forked process cannot use threads of its parent.

    Returns:
        The name.

    Raises:
        EngineRefusedError: there is no such engine.
    """
    if name not in ENGINES:
        raise EngineRefusedError(what=f"an engine other than {' and '.join(ENGINES)}")
    if name == CRYPTEN.name:
        import torch

        from smpc.engine.crypten_patches import crypten

        crypten()
        torch.set_num_threads(1)
    return name


def use_engine(session: Session, name: str) -> None:
    """Let a session compute with an engine: ``crypten``, or ``numpy``."""
    port: ShareArithmetic = CRYPTEN if name == CRYPTEN.name else NUMPY
    session.arithmetic = port
    if port is CRYPTEN:
        session.matmul = matmul


def _tensor(share: RingArray) -> Any:
    """CrypTen's tensor over an array; CrypTen copies before it changes one."""
    import torch

    from smpc.engine.crypten_patches import crypten

    array = np.require(share, requirements=["C", "W"])
    if min(array.strides) < 0:  # of one element, which numpy calls contiguous and torch does not take
        array = array.copy()
    primitives = crypten().mpc.primitives
    return primitives.ArithmeticSharedTensor.from_shares(torch.from_numpy(array), precision=0)


def _array(tensor: Any) -> RingArray:
    """The ring elements of a tensor of precision 0."""
    result: RingArray = np.atleast_1d(tensor.share.numpy())
    return result
