"""CrypTen's random numbers, from the session's keystreams.

Layer:       smpc.engine.randomness.
Guarantees:  every element of the ring can come; shares of zero are made from keys of all pairs of parties, where
             CrypTen makes them between neighbors only, so that two colluders around a party could take its mask off.
See instead: generators that all parties share; they would be used by dropout alone, and are refused.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from smpc.engine.current import current_session
from smpc.engine.refusal import EngineRefusedError
from smpc.randomness import Purpose

if TYPE_CHECKING:
    from smpc.randomness import Keystream

RING: Final = 1 << 64
_WORD_BITS: Final = 64


class OwnStreams:
    """Stands for ``crypten.generators["local"]``: whatever the device, the session's private keystream."""

    def __getitem__(self, device: object) -> Keystream:
        """Return the keystream of the thread's session."""
        return current_session().local

    def keys(self) -> tuple[()]:
        """Return nothing, so that CrypTen's seeding finds nothing to seed."""
        return ()


class RefusedStreams:
    """Stands for the generators that CrypTen shares between neighbors or among all."""

    def __init__(self, role: str) -> None:
        """Name the role."""
        self._role = role

    def __getitem__(self, device: object) -> Keystream:
        """Refuse."""
        raise EngineRefusedError(what=f"generator {self._role}")

    def keys(self) -> tuple[()]:
        """Return nothing, so that CrypTen's seeding finds nothing to seed."""
        return ()


def ring_elements(size: Any, ring_size: int = RING, generator: Keystream | None = None, **_: object) -> Any:
    """Replace ``generate_random_ring_element``: uniform over the whole ring."""
    if ring_size != RING:
        raise EngineRefusedError(what="a ring of another size")
    return _draw(size, generator)


def bit_words(
    size: Any, bitlength: int | None = None, generator: Keystream | None = None, **_: object
) -> Any:
    """Replace ``generate_kbit_random_tensor``: uniform in ``[0, 2**bitlength)``, all words for 64."""
    bits = _WORD_BITS if bitlength is None else bitlength
    words = _draw(size, generator)
    return words if bits == _WORD_BITS else words & ((1 << bits) - 1)


def additive_zero(tensor_class: Any, *size: Any, **_: object) -> Any:
    """Replace ``ArithmeticSharedTensor.PRZS``: this party's summand of 0."""
    shape = _shape(size)
    flat = current_session().zero_share(math.prod(shape), purpose=Purpose.INPUT)
    return _bare(tensor_class, flat, shape)


def exclusive_zero(tensor_class: Any, *size: Any, **_: object) -> Any:
    """Replace ``BinarySharedTensor.PRZS``: this party's XOR summand of 0."""
    shape = _shape(size)
    flat = current_session().zero_planes(8 * math.prod(shape)).view(np.int64)
    return _bare(tensor_class, flat, shape)


def _bare(tensor_class: Any, flat: Any, shape: tuple[int, ...]) -> Any:
    tensor = tensor_class(src=-1)
    tensor.share = torch.from_numpy(flat).reshape(shape)
    return tensor


def _draw(size: Any, generator: Keystream | None) -> torch.Tensor:
    shape = _shape((size,))
    stream = current_session().local if generator is None else generator
    return torch.from_numpy(stream.draw_ring((math.prod(shape),))).reshape(shape)


def _shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    """Return the shape that is written as numbers, as one tuple, or as ``torch.Size``."""
    if len(size) == 1 and not isinstance(size[0], int):
        return tuple(int(axis) for axis in size[0])
    return tuple(int(axis) for axis in size)
