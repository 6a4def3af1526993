"""CrypTen's communicator over a session's mesh.

Layer:       smpc.engine.communicator.
Terms:       a reduction is the sum or XOR of one tensor of every party.
Guarantees:  every reduction carries a fresh share of zero from keys of all pairs; a list of tensors is one frame and
             one round; only int64 tensors and shapes travel, as plain bytes; a lost peer raises our errors, which are
             no ``RuntimeError``. All who wait at a message wait for the same senders, so all name the one that is
             lost.
Visible to:  the parties see what CrypTen opens: values under a uniform mask, or a result when the caller reveals one.
             ``gather`` is CrypTen's count of wraps: the first party sees every share plus its own uniform mask.
See instead: point-to-point messages, scatter, pickled objects: refused with their name.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch.distributed import ReduceOp

from smpc.engine.current import current_session
from smpc.engine.refusal import EngineRefusedError
from smpc.errors import MemoryLimitError, PeerRejectedError
from smpc.randomness import Purpose
from smpc.session import active_session
from smpc.transport.mesh import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smpc.ring import RingArray
    from smpc.session import Session

_SHAPE: Final = struct.Struct("<q8q")
_MOST_AXES: Final = 8
_REFUSED: Final = frozenset(
    {"send", "recv", "isend", "irecv", "scatter", "send_obj", "recv_obj", "set_name", "shutdown"}
)


class SessionCommunicator:
    """CrypTen's ``Communicator`` for one session; holds nothing but the session."""

    BYTES_PER_ELEMENT = 8

    def __init__(self, session: Session) -> None:
        """Send and receive over a session."""
        self._session = session

    @classmethod
    def is_initialized(cls) -> bool:
        """Say whether the calling thread is in a session."""
        return active_session() is not None

    @classmethod
    def get(cls) -> SessionCommunicator:
        """Return the communicator of the calling thread's session."""
        return cls(current_session())

    @classmethod
    def initialize(cls, *_: object, **__: object) -> None:
        """Refuse: a session is entered, not initialized."""
        raise EngineRefusedError(what="crypten.init")

    def __getattr__(self, name: str) -> Any:
        """Refuse the further methods of CrypTen's own communicators, naming the method."""
        if name in _REFUSED:
            raise EngineRefusedError(what=f"communicator {name}")
        raise AttributeError(name)

    def get_world_size(self) -> int:
        """Return the number of parties."""
        return self._session.n_parties

    def get_rank(self) -> int:
        """Return this party's rank."""
        return self._session.rank

    def get_name(self) -> str:
        """Return this party's name."""
        return self._session.names[self._session.rank]

    def all_reduce(self, input: Any, op: Any = ReduceOp.SUM, batched: bool = False) -> Any:  # noqa: A002
        """Reduce to all: one round, 8 bytes an element and peer."""
        tensors = list(input) if batched else [input]
        flat = _flatten(tensors) if tensors else np.zeros(0, dtype=np.int64)
        summand, step = self._blind(flat, op)
        payload = summand.tobytes()
        for reply in self._session.exchange(step, payload):
            _accumulate(summand, reply, op)
        return _like(summand, tensors) if batched else _like(summand, tensors)[0]

    def reduce(self, input: Any, dst: int, op: Any = ReduceOp.SUM, batched: bool = False) -> Any:  # noqa: A002
        """Reduce to one party: one round; the others get None."""
        tensors = list(input) if batched else [input]
        summand, step = self._blind(_flatten(tensors), op)
        replies = self._to_one(step, summand, dst)
        if dst != self._session.rank:
            return None
        for reply in replies:
            _accumulate(summand, reply.tobytes(), op)
        return _like(summand, tensors) if batched else _like(summand, tensors)[0]

    def gather(self, tensor: Any, dst: int) -> list[Any]:
        """Bring every party's tensor to one: one round; the others get ``[None]``."""
        own = _flatten([tensor])
        replies = self._to_one(Step.GATHER, own, dst)
        if dst != self._session.rank:
            return [None]
        arrays = [*replies[:dst], own, *replies[dst:]]
        return [_like(array, [tensor])[0] for array in arrays]

    def broadcast(self, input: Any, src: int, batched: bool = False) -> Any:  # noqa: A002
        """Send one party's public tensor to all: one round."""
        tensors = list(input) if batched else [input]
        flat = np.frombuffer(self._from_one(_flatten(tensors).tobytes(), src), dtype=np.int64).copy()
        return _like(flat, tensors) if batched else _like(flat, tensors)[0]

    def broadcast_obj(self, obj: Any, src: int) -> torch.Size:
        """Send one party's shape to all, which is the one kind of object that CrypTen's arithmetic sends.

        Raises:
            EngineRefusedError: it is no shape.
            MemoryLimitError: such a tensor would not fit into the session's memory; nothing is sent.
            PeerRejectedError: what came is no shape, or one that does not fit.
        """
        payload = bytes(_SHAPE.size)
        if src == self._session.rank:
            axes = tuple(obj) if isinstance(obj, tuple) and len(obj) <= _MOST_AXES else None
            if axes is None or not all(isinstance(axis, int) for axis in axes):
                raise EngineRefusedError(what="broadcast of anything but a shape")
            self._session.memory.need(_bytes_of(axes))
            payload = _SHAPE.pack(len(axes), *axes, *(0,) * (_MOST_AXES - len(axes)))
        count, *axes_sent = _SHAPE.unpack(self._from_one(payload, src))
        if not 0 <= count <= _MOST_AXES or min(axes_sent) < 0:
            raise PeerRejectedError(reason="malformed shape", name=self._session.names[src])
        try:  # CrypTen goes on to allocate what the shape says
            self._session.memory.need(_bytes_of(axes_sent[:count]))
        except MemoryLimitError as error:
            reason = "shape beyond this session's memory"
            raise PeerRejectedError(reason=reason, name=self._session.names[src]) from error
        return torch.Size(axes_sent[:count])

    def barrier(self) -> None:
        """Wait for all: one round of empty frames."""
        self._session.exchange(Step.BARRIER, b"")

    def _blind(self, flat: RingArray, op: Any) -> tuple[RingArray, Step]:
        """Add a share of zero to a copy of the own summand."""
        if op == ReduceOp.SUM:
            return flat + self._session.zero_share(flat.shape, purpose=Purpose.OPENING), Step.OPEN_RING
        if op == ReduceOp.BXOR:
            return flat ^ self._session.zero_planes(flat.nbytes).view(np.int64), Step.OPEN_PLANES
        raise EngineRefusedError(what="a reduction that is neither sum nor XOR")

    def _to_one(self, step: Step, flat: RingArray, dst: int) -> list[RingArray]:
        """Send an array to one party and empty frames to all others, which wait for them.

        Otherwise a sender that goes on would blame the recipient where a third party is the silent one.
        """
        session, receiver = self._session, self._session.names[dst]
        if dst != session.rank:
            others = [name for name in session.peers if name != receiver]
            session.mesh.exchange(
                step, {receiver: flat.tobytes()} | dict.fromkeys(others, b""), dict.fromkeys(others, 0)
            )
            return []
        replies = session.mesh.exchange(step, {}, dict.fromkeys(session.peers, flat.nbytes))
        return [np.frombuffer(replies[name], dtype=np.int64) for name in session.peers]

    def _from_one(self, payload: bytes, src: int) -> bytes:
        session, sender = self._session, self._session.names[src]
        if src == session.rank:
            session.mesh.exchange(Step.BROADCAST, dict.fromkeys(session.peers, payload), {})
            return payload
        return session.mesh.exchange(Step.BROADCAST, {}, {sender: len(payload)})[sender]


def _bytes_of(axes: Sequence[int]) -> int:
    """Return what a tensor of that shape takes; an empty axis hides no long one, whose strides could overflow."""
    return SessionCommunicator.BYTES_PER_ELEMENT * math.prod(max(axis, 1) for axis in axes)


def _flatten(tensors: Sequence[Any]) -> RingArray:
    """Return one new array with the tensors' elements one after the other."""
    if any(not isinstance(tensor, torch.Tensor) or tensor.dtype != torch.int64 for tensor in tensors):
        raise EngineRefusedError(what="a message that is not of int64 tensors")
    return np.concatenate([tensor.detach().contiguous().reshape(-1).numpy() for tensor in tensors])


def _accumulate(total: RingArray, reply: bytes, op: Any) -> None:
    array = np.frombuffer(reply, dtype=np.int64)
    operation = np.add if op == ReduceOp.SUM else np.bitwise_xor
    operation(total, array, out=total)


def _like(flat: RingArray, tensors: Sequence[Any]) -> list[torch.Tensor]:
    """Cut an array into tensors of the given ones' shapes."""
    pieces, position = [], 0
    for tensor in tensors:
        end = position + tensor.numel()
        pieces.append(torch.from_numpy(flat[position:end].copy()).reshape(tensor.size()))
        position = end
    return pieces
