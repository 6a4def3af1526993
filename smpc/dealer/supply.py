"""A party's side of the dealer: ask for a batch, then hand out each piece once, in the order asked.

Floor:    smpc.dealer.supply. Belongs to one session and its thread.
Promise:  the dealer is not contacted before something is asked; a piece taken is gone; taking another piece
          than the next of the list raises ``MaterialError`` before anything was sent.
Not here: what the pieces are for (``operations``).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from smpc.dealer.correlations import expand, recipe_of
from smpc.dealer.frames import LIST_LIMIT, answer_bytes, encode_batch
from smpc.dealer.requests import Request, encode_requests
from smpc.dealer.seeds import material_stream
from smpc.errors import MaterialError
from smpc.randomness import KEY_BYTES, Keystream
from smpc.transport.mesh import Mesh, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smpc.dealer.parts import Material


class Supply:
    """One party's stock of material in one session."""

    def __init__(self, mesh: Mesh, session_id: bytes) -> None:
        """Hold nothing; the dealer is ``mesh.helper``."""
        self._mesh = mesh
        self._session_id = session_id
        self._n_batches = 0
        self._is_finished = False
        self._stock: deque[tuple[Request, Keystream, memoryview | None]] = deque()

    def prefetch(self, requests: Sequence[Request], *, is_last: bool = True) -> None:
        """Ask for a list of material in one exchange; every party calls this with the same list.

        Args:
            requests: in the order in which the operations will take them.
            is_last: whether the session asks no more after this.

        Raises:
            MaterialError: the session has no dealer, or said before that it asks no more.
            PartyLostError: the dealer is lost, or refused.
        """
        if not requests:
            return
        encoded = encode_requests(requests)
        if len(encoded) > LIST_LIMIT:
            raise MaterialError(what="a request list this long")
        answer = self._ask(encoded, answer_bytes(requests, self._mesh.rank), is_last=is_last)
        stream = material_stream(answer[:KEY_BYTES], self._session_id, self._mesh.rank)
        corrections, position = memoryview(answer), KEY_BYTES
        for request in requests:
            end = position + recipe_of(request).correction_bytes
            self._stock.append((request, stream, corrections[position:end] if self._mesh.rank == 0 else None))
            position = end

    def take(self, request: Request) -> tuple[Material, ...]:
        """Hand out the next piece; without a stock it is asked for on the spot, in an exchange of its own.

        Returns:
            This party's share of each part, free parts first.

        Raises:
            MaterialError: the next piece is another one, or there is none and the session asks no more.
        """
        if not self._stock:
            self.prefetch([request], is_last=False)
        if self._stock[0][0] != request:
            raise MaterialError(what=f"{request.kind.name.lower()} next in the list")
        _, stream, correction = self._stock.popleft()
        return expand(request, stream, correction)

    def finish(self) -> None:
        """Tell a dealer that was asked, and may wait for more, that nothing more comes."""
        if self._n_batches and not self._is_finished:
            self._ask(b"", 0, is_last=True)

    def _ask(self, encoded: bytes, n_answer: int, *, is_last: bool) -> bytes:
        dealer = self._mesh.helper
        if dealer is None:
            raise MaterialError(what="this session has no dealer")
        if self._is_finished:
            raise MaterialError(what="the session's list is used up")
        frame, rest = encode_batch(self._session_id, self._n_batches, encoded, is_last=is_last)
        self._n_batches += 1
        self._is_finished = is_last
        if rest:
            self._mesh.exchange(Step.MATERIAL, {dealer: frame}, {})
            frame = rest
        expected = {dealer: n_answer} if n_answer else {}
        return self._mesh.exchange(Step.MATERIAL, {dealer: frame}, expected).get(dealer, b"")
