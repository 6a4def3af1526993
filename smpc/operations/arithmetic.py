"""Sums and products of shared integers, exact mod ``2**64``.

Layer:       smpc.operations.arithmetic.
Terms:       what is public is the same at all parties; the first party adds it, since the shares' sum must change
             once.
Guarantees:  linear operations send nothing; a product is one round and never truncates, so the result is the integer
             as long as that fits the ring (the caller's plan checks).
Visible to:  the parties see operands minus uniform masks.
See instead: who computes: a session's port, numpy (``numpy_arithmetic``) or CrypTen (``engine.arithmetic``).
Source:      eprint 2011/535 (Beaver triples).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smpc.errors import RingRangeError
from smpc.operations.numpy_arithmetic import NUMPY
from smpc.ring import RingArray, encode
from smpc.session import active_session
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smpc.session import Session, ShareArithmetic

Public = int | RingArray


def public_array(value: Public) -> RingArray:
    """Return a public number or array as ring elements with at least one axis.

    Raises:
        RingRangeError: it does not fit the ring.
    """
    return encode([value] if isinstance(value, int) else value, what="public operand")


def add(a: Shared, b: Shared) -> Shared:
    """Return shares of ``a + b``; 0 rounds."""
    return Shared(share=_port().add(a.share, b.share))


def subtract(a: Shared, b: Shared) -> Shared:
    """Return shares of ``a - b``; 0 rounds."""
    return Shared(share=_port().subtract(a.share, b.share))


def negate(a: Shared) -> Shared:
    """Return shares of ``-a``; 0 rounds."""
    return Shared(share=_port().negate(a.share))


def add_public(session: Session, a: Shared, constant: Public) -> Shared:
    """Return shares of ``a + constant``; the first party adds it; 0 rounds."""
    array = public_array(constant)
    return Shared(share=_port(session).add(a.share, array if session.is_first else np.zeros_like(array)))


def subtract_from_public(session: Session, constant: Public, a: Shared) -> Shared:
    """Return shares of ``constant - a``; 0 rounds."""
    return add_public(session, negate(a), constant)


def multiply_public(a: Shared, constant: Public) -> Shared:
    """Return shares of ``a * constant``; 0 rounds."""
    return Shared(share=_port().scale(a.share, public_array(constant)))


def matmul_public(constant: RingArray, a: Shared) -> Shared:
    """Return shares of ``constant @ a`` for a public matrix; 0 rounds."""
    return Shared(share=np.atleast_1d(constant @ a.share))


def total(a: Shared, axis: int | None = None) -> Shared:
    """Return shares of the sum along an axis, or over everything as shape ``(1,)``; 0 rounds."""
    return Shared(share=np.atleast_1d(_port().total(a.share, axis)))


def concatenate(parts: Sequence[Shared], axis: int = 0) -> Shared:
    """Return the arrays one after the other; 0 rounds."""
    return Shared(share=np.concatenate([part.share for part in parts], axis=axis))


def stack(parts: Sequence[Shared]) -> Shared:
    """Return arrays of one shape along a new first axis; 0 rounds."""
    return Shared(share=np.stack([part.share for part in parts]))


def take(a: Shared, positions: Sequence[int] | slice, axis: int = 0) -> Shared:
    """Return the entries at public positions along an axis; 0 rounds."""
    if isinstance(positions, slice):
        positions = range(*positions.indices(a.shape[axis]))
    return Shared(share=np.take(a.share, np.asarray(positions, dtype=np.intp), axis=axis))


def reshape(a: Shared, shape: tuple[int, ...]) -> Shared:
    """Return the same elements in another shape; 0 rounds."""
    return Shared(share=a.share.reshape(shape))


def transpose(a: Shared) -> Shared:
    """Return the array with its last two axes swapped; 0 rounds."""
    return Shared(share=np.ascontiguousarray(a.share.swapaxes(-1, -2)))


def broadcast(a: Shared, shape: tuple[int, ...]) -> Shared:
    """Return the array repeated to a shape; 0 rounds."""
    return Shared(share=np.broadcast_to(a.share, shape).copy())


def multiply(session: Session, a: Shared, b: Shared) -> Shared:
    """Return shares of the elementwise product, with numpy's broadcasting.

    Visible to: all parties ``a - mask`` and ``b - mask``, uniform.
    Cost: 1 round; ``8 * (a.size + b.size)`` bytes a peer; one product triple.
    """
    _check_shapes(np.broadcast_shapes, a.shape, b.shape)
    return _port(session).multiply(session, a, b)


def matmul(session: Session, a: Shared, b: Shared) -> Shared:
    """Return shares of the matrix product of arrays with two axes or more.

    Visible to: all parties ``a - mask`` and ``b - mask``, uniform.
    Cost: 1 round; ``8 * (a.size + b.size)`` bytes a peer; one product triple.

    Raises:
        RingRangeError: the shapes do not fit, before anything is sent.
    """
    if min(len(a.shape), len(b.shape)) < 2 or a.shape[-1] != b.shape[-2]:  # noqa: PLR2004  a matrix has two axes
        raise RingRangeError(what="shapes of a matrix product")
    _check_shapes(np.broadcast_shapes, a.shape[:-2], b.shape[:-2])
    return _port(session).matmul(session, a, b)


def square(session: Session, a: Shared) -> Shared:
    """Return shares of ``a * a``.

    Visible to: all parties ``a - mask``, uniform.
    Cost: 1 round; ``8 * a.size`` bytes a peer; one square pair.
    """
    return _port(session).square(session, a)


def _check_shapes(
    rule: Callable[..., tuple[int, ...]], left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    try:
        rule(left, right)
    except ValueError as error:
        raise RingRangeError(what="shapes of a product") from error


def _port(session: Session | None = None) -> ShareArithmetic:
    """The port of a session, or of the one that this thread is in."""
    found = active_session() if session is None else session
    return NUMPY if found is None or found.arithmetic is None else found.arithmetic
