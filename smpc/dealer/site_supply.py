"""Material without a dealer: one of three computing sites deals to the two that evaluate, on the session's own mesh.

Layer:       smpc.dealer.site_supply. Belongs to one session and its thread; one class for all sites, as all run the
             same program.
Terms:       see ``smpc.computing_sites``.
Guarantees:  no site asks: every site derives the list itself, the dealing site deals its own list and sends the
             others its hash, and no site goes on with another. Every batch has fresh seeds from the operating system,
             and a session is dealt to once, since its id is opened once. A session has no more material than a dealer
             would give it. A site that does not evaluate holds zeros in the place of material, and what is linear in
             zeros stays zero.
See instead: what the pieces are for (``operations``), a dealer outside (``supply``, ``service``).
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.dealer.correlations import deal, expand, recipe_of
from smpc.dealer.frames import LIST_LIMIT
from smpc.dealer.requests import Request, encode_requests
from smpc.dealer.seeds import material_stream
from smpc.dealer.service import SESSION_BYTES
from smpc.dealer.supply import Supply
from smpc.errors import MaterialError, PeerRejectedError
from smpc.randomness import KEY_BYTES, Keystream, fresh_key
from smpc.transport.mesh import Mesh, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smpc.computing_sites import ThreeSites
    from smpc.dealer.correlation_parts import Material
    from smpc.transport.memory_limit import Memory

DIGEST_BYTES: Final = 32


@dataclass(slots=True)
class _Piece:
    """A piece in stock, without a stream where this site does not evaluate; the last one gives back the memory."""

    request: Request
    stream: Keystream | None = field(default=None, repr=False)
    correction: memoryview | None = field(default=None, repr=False)
    batch_bytes: int = 0


def blank_material(request: Request) -> tuple[Material, ...]:
    """Return zeros of the material's types and shapes."""
    recipe = recipe_of(request)
    return tuple(np.zeros(part.shape, dtype=part.dtype) for part in recipe.free + recipe.bound)


def dealt_bytes(requests: Sequence[Request], evaluator_rank: int) -> int:
    """Return the length of what one site is dealt (bytes): a digest, to evaluate a seed, for the first corrections."""
    if evaluator_rank < 0:
        return DIGEST_BYTES
    corrections = sum(recipe_of(request).correction_bytes for request in requests)
    return DIGEST_BYTES + KEY_BYTES + (corrections if evaluator_rank == 0 else 0)


class SiteSupply(Supply):
    """One site's stock of material in one session of three computing sites."""

    def __init__(
        self,
        mesh: Mesh,
        session_id: bytes,
        sites: ThreeSites,
        memory: Memory | None = None,
        *,
        session_bytes: int = SESSION_BYTES,
    ) -> None:
        """Hold nothing.

        Args:
            mesh: of all sites; no helper takes part.
            session_id: 32 bytes.
            sites: who evaluates, who deals.
            memory: the session's.
            session_bytes: the most material that one site of the session may hold (bytes).
        """
        super().__init__(mesh, session_id, memory)
        self._all, self._id, self._sites = mesh, session_id, sites
        self._own = mesh.names[mesh.rank]
        self._allowed = session_bytes
        self._number, self._is_over = 0, False
        self._pieces: deque[_Piece] = deque()

    def prefetch(self, requests: Sequence[Request], *, is_last: bool = True) -> None:
        """Have a list of material dealt; every site calls this with the same list.

        Cost: one message from the dealing site to each other one.

        Args:
            requests: in the order in which the operations will take them.
            is_last: whether nothing more is dealt after this.

        Raises:
            MaterialError: it was said before that nothing more is dealt, or the list is too long.
            PeerRejectedError: more than a session may have, before anything is sent; or the dealing site deals
                another list, then it is named.
            MemoryLimitError: more than the session may hold, before anything is sent.
            PartyLostError: a site is lost.
        """
        if not requests:
            return
        encoded = encode_requests(requests)
        if len(encoded) > LIST_LIMIT:
            raise MaterialError(what="a request list this long")
        if self._is_over:
            raise MaterialError(what="the session's list is used up")
        self._allowed -= sum(recipe_of(request).share_bytes for request in requests)
        if self._allowed < 0:
            raise PeerRejectedError(reason="more material than one session may have")
        digest = self._digest(encoded, is_last=is_last)
        if self._own == self._sites.dealing:
            self._all.exchange(Step.MATERIAL, self._answers(requests, digest), {})
            self._pieces.extend(_Piece(request) for request in requests)
        else:
            self._pieces.extend(self._dealt(requests, digest))
        self._number, self._is_over = self._number + 1, is_last

    def take(self, request: Request) -> tuple[Material, ...]:
        """Hand out the next piece, zeros where this site does not evaluate; without a stock it is dealt on the spot.

        Raises:
            MaterialError: the next piece is another one, or there is none and nothing more is dealt.
            MemoryLimitError: it does not fit into the session's memory.
        """
        if not self._pieces:
            self.prefetch([request], is_last=False)
        if self._pieces[0].request != request:
            raise MaterialError(what=f"{request.kind.name.lower()} next in the list")
        self._memory.need(recipe_of(request).share_bytes)
        piece = self._pieces.popleft()
        if piece.stream is None:
            return blank_material(request)
        material = expand(request, piece.stream, piece.correction)
        self._memory.hold(-piece.batch_bytes)
        return material

    def finish(self) -> None:
        """Do nothing: no helper waits for a last message."""

    def _digest(self, encoded: bytes, *, is_last: bool) -> bytes:
        """Hash what is dealt, and at which place of which session."""
        place = self._id + self._number.to_bytes(4, "little") + bytes([is_last])
        return hashlib.sha256(b"crossward/dealt/1" + place + encoded).digest()

    def _answers(self, requests: Sequence[Request], digest: bytes) -> dict[str, bytes]:
        """Make material for both evaluating sites, under seeds that only each of them receives."""
        seeds = [fresh_key() for _ in self._sites.evaluators]
        streams = [material_stream(seed, self._id, rank, self._number) for rank, seed in enumerate(seeds)]
        corrections = b"".join(deal(request, streams) for request in requests)
        dealt = {name: digest for name in self._all.names if name != self._own}
        dealt[self._sites.first] += seeds[0] + corrections
        dealt[self._sites.second] += seeds[1]
        return dealt

    def _dealt(self, requests: Sequence[Request], digest: bytes) -> list[_Piece]:
        """Receive what this site is dealt and cut it into pieces."""
        evaluators, dealing = self._sites.evaluators, self._sites.dealing
        rank = evaluators.index(self._own) if self._own in evaluators else -1
        answer = self._all.exchange(Step.MATERIAL, {}, {dealing: dealt_bytes(requests, rank)})[dealing]
        if answer[:DIGEST_BYTES] != digest:
            raise PeerRejectedError(reason="it deals another list of material", name=dealing)
        if rank < 0:
            return [_Piece(request) for request in requests]
        self._memory.hold(len(answer))
        position = DIGEST_BYTES + KEY_BYTES
        stream = material_stream(answer[DIGEST_BYTES:position], self._id, rank, self._number)
        rest = memoryview(answer)
        pieces: list[_Piece] = []
        for request in requests:
            end = position + recipe_of(request).correction_bytes
            pieces.append(_Piece(request, stream, rest[position:end] if rank == 0 else None))
            position = end
        pieces[-1].batch_bytes = len(answer)
        return pieces
