"""The dealer's side: it answers the requests of each session once.

Layer:       smpc.dealer.service. Runs in the dealer's process, one thread per session.
Guarantees:  no answer unless every party sent the same bytes; no second answer for a session id in one dealer
             process, whatever the first attempt's outcome; seeds come fresh from the operating system for every
             batch, so a restarted dealer cannot repeat itself. Refusals are logged with their reason, never with
             material.
See instead: channels (a ``Mesh`` whose ``rank`` is -1 comes in); what a batch holds (``correlations``).
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from smpc.dealer.correlations import deal, recipe_of
from smpc.dealer.frames import FRAME_BYTES, Batch, answer_bytes, decode_batch
from smpc.dealer.requests import Request, decode_requests
from smpc.dealer.seeds import material_stream
from smpc.errors import PartyLostError, PeerRejectedError
from smpc.randomness import fresh_key
from smpc.transport.mesh import Mesh, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

LOG: Final = logging.getLogger(__name__)
SESSION_BYTES: Final = 1 << 30


class DealerService:
    """Serves any number of sessions at once; ``serve`` may be called by several threads."""

    def __init__(self, *, session_bytes: int = SESSION_BYTES) -> None:
        """Create the service; no session has been served yet.

        Args:
            session_bytes: the most material that one party of one session may get in all, and the most that
                dealing one batch may take here (bytes).
        """
        self._session_bytes = session_bytes
        self._lock = threading.Lock()
        self._served: set[bytes] = set()

    def serve(self, mesh: Mesh, session_id: bytes | None = None) -> int:
        """Answer one session to its end, then close the mesh.

        Args:
            mesh: the dealer's end, all computing parties in ``names``.
            session_id: what the parties must name; None takes what they all name.

        Returns:
            Number of batches answered; 0 when the parties ended without asking.

        Raises:
            PeerRejectedError: the parties differ, or ask what may not be given; nothing of that batch was
                sent.
            PartyLostError: a party was lost in the middle.
        """
        try:
            n_batches = self._serve(mesh, session_id)
        except BaseException as error:
            if isinstance(error, PeerRejectedError):
                LOG.warning("session refused: %s", error.reason)
            mesh.close(error)
            raise
        mesh.close()
        return n_batches

    def _serve(self, mesh: Mesh, session_id: bytes | None) -> int:
        n_batches, n_bytes = 0, 0
        while True:
            try:
                frame = _same_from_all(mesh, FRAME_BYTES)
            except PartyLostError as error:
                if n_batches == 0 and not _is_awaited(mesh, error):
                    return 0
                raise
            batch = decode_batch(frame)
            if n_batches == 0:
                self._claim(batch.session_id, session_id)
                session_id = batch.session_id
            if batch.session_id != session_id or batch.number != n_batches:
                raise PeerRejectedError(reason="request frame of another session or batch")
            requests = _requests(mesh, batch)
            n_bytes += sum(recipe_of(request).walked_bytes for request in requests)
            if max(n_bytes, _dealing_bytes(requests, len(mesh.names))) > self._session_bytes:
                raise PeerRejectedError(reason="more material than one session may have")
            if requests:
                mesh.exchange(Step.MATERIAL, _answers(mesh.names, batch, requests), {})
            n_batches += 1
            if batch.is_last:
                return n_batches

    def _claim(self, session_id: bytes, agreed: bytes | None) -> None:
        """Note the session as served before anything is sent."""
        if agreed is not None and session_id != agreed:
            raise PeerRejectedError(reason="request frame of another session or batch")
        with self._lock:
            if session_id in self._served:
                raise PeerRejectedError(reason="a session is served once")
            self._served.add(session_id)


def _is_awaited(mesh: Mesh, error: PartyLostError) -> bool:
    """Whether any party awaits an answer when one is lost before the first request.

    Parties may end without asking, and may take their time as long as none of them has asked.
    """
    is_quiet = mesh.has_ended(error.name) or isinstance(error.__cause__, TimeoutError)
    return not is_quiet or any(mesh.has_spoken(name) for name in mesh.names if name != error.name)


def _same_from_all(mesh: Mesh, n_bytes: int) -> bytes:
    frames = mesh.exchange(Step.MATERIAL, {}, dict.fromkeys(mesh.names, n_bytes))
    if len(set(frames.values())) != 1:
        raise PeerRejectedError(reason="the parties' requests differ")
    return frames[mesh.names[0]]


def _requests(mesh: Mesh, batch: Batch) -> tuple[Request, ...]:
    rest = _same_from_all(mesh, batch.n_rest) if batch.n_rest else b""
    return decode_requests(batch.inline + rest)


def _dealing_bytes(requests: Sequence[Request], n_parties: int) -> int:
    """What dealing a batch takes: all corrections, and every party's share of the largest piece."""
    largest = max((recipe_of(request).share_bytes for request in requests), default=0)
    return answer_bytes(requests, 0) + n_parties * largest


def _answers(names: Sequence[str], batch: Batch, requests: Sequence[Request]) -> dict[str, bytes]:
    seeds = [fresh_key() for _ in names]
    streams = [material_stream(seed, batch.session_id, rank, batch.number) for rank, seed in enumerate(seeds)]
    first = seeds[0] + b"".join(deal(request, streams) for request in requests)
    if len(first) != answer_bytes(requests, 0):
        raise PeerRejectedError(reason="correction of an unexpected length")
    return dict(zip(names, (first, *seeds[1:]), strict=True))
