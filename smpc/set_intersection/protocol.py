"""Two parties find which identifiers both have, and learn nothing else of each other's set.

Layer:       smpc.set_intersection.protocol, above manifest and workers; below operations.
Shapes:      identifiers are digests of 32 bytes, one after the other; rows count from 0 in the caller's order.
Terms:       with keys ``a`` and ``b`` and the map ``H`` into the group, one party sends ``a H(x)`` for its own identifiers,
             gets ``b a H(x)`` back in the same order, and computes ``a b H(y)`` of what the other has sent: equal
             elements are equal identifiers. A *check row* is an element whose multiple the sender can compute from
             the peer's public key.
Guarantees:  each party sends exactly ``size`` elements and the check rows, shuffled, those beyond its own set random: the peer
             learns no size and no order. Keys are drawn for this run alone. Commitments, signed, are exchanged before any
             element; a block that differs from its commitment, an element that is invalid, the identity, or comes twice, and
             rows that come back in another order are refused. In ``count`` the elements come back sorted, so that neither party
             learns which of its rows are common.
Visible to:  the peer sees ``size``, and the common rows or their number; other parties of the session see nothing.
Cost:        3 exchanges a block of 4,096 rows and 5 more; ``32 (2 size + 64)`` bytes and 1 % more to the peer.
See instead: what a partner who lies about its own set can learn (SECURITY.md); identifiers (``analytics.linkage``).
Source:      Meadows 1986; Huberman, Franklin, Hogg 1999. Secure against parties that follow the protocol under decisional
             Diffie-Hellman, ``H`` as a random oracle.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from smpc.errors import PeerRejectedError
from smpc.set_intersection.group import (
    ELEMENT_BYTES,
    HASH_BYTES,
    base_multiple,
    check_element,
    fresh_scalar,
    multiple,
    scalar_product,
)
from smpc.set_intersection.manifest import (
    DIGEST_BYTES,
    Manifest,
    as_elements,
    block_rows,
    check_distinct,
    in_blocks,
    manifest_bytes,
    return_tag,
)
from smpc.set_intersection.worker import Work
from smpc.transport.mesh import Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from smpc.session import Session
    from smpc.set_intersection.workers import Workers

Learns = Literal["rows", "count"]
IDENTIFIER_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
CHECK_ROWS: Final = 32
_PAIR_KEY: Final = b"crossward/set-intersection/pair/1"
_RESULT: Final = b"crossward/set-intersection/result/1"


class Signer(Protocol):
    """One party's identity, by which it stands to its commitment."""

    def sign(self, data: bytes) -> bytes:
        """Sign, 64 bytes."""
        ...

    def has_signed(self, party: str, data: bytes, signature: bytes) -> bool:
        """Whether a party of the session has signed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one party has learnt.

    Attributes:
        count: how many identifiers both have.
        rows: own rows of the common ones, in an order that is the same at both parties; None in ``count``.
        commitment: the peer's, as it signed it.
        signature: of that.
    """

    count: int = field(repr=False)
    rows: npt.NDArray[np.int64] | None = field(repr=False)
    commitment: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(slots=True)
class _Own:
    """One party's secret side: ``places[i]`` is the own row behind element ``i``, below 0 for padding and check rows."""

    scalar: bytes = field(repr=False)
    places: npt.NDArray[np.int64] = field(repr=False)
    elements: bytes = field(repr=False)
    checks: dict[int, bytes] = field(repr=False)


class SetIntersection:
    """One party's run with one peer; used once."""

    def __init__(
        self, session: Session, peer: str, *, size: int, learns: Learns, signer: Signer, workers: Workers
    ) -> None:
        """Prepare a run; nothing is sent.

        Args:
            session: in which both are; others of it take no part.
            peer: the other party.
            size: the public bound on either set.
            learns: what both learn.
            signer: this party's identity.
            workers: who multiply.
        """
        self._session, self._peer, self._size = session, peer, size
        self._learns, self._signer, self._workers = learns, signer, workers
        self._n_elements = size + CHECK_ROWS
        self._own_name = session.names[session.rank]

    def run(self, identifiers: bytes) -> Found:
        """Intersect.

        Args:
            identifiers: at most ``size`` distinct digests.

        Returns:
            What this party learns.

        Raises:
            PeerRejectedError: the peer sent what the protocol does not allow.
            PartyLostError: it was lost.
            SmpcError: more identifiers than ``size``, equal ones, or a worker process was lost.
        """
        if len(identifiers) > self._size * IDENTIFIER_BYTES or len(identifiers) % IDENTIFIER_BYTES:
            raise PeerRejectedError(reason="a set is larger than was declared")
        check_distinct(identifiers)
        own = self._blinded(identifiers)
        theirs, mine, commitment, signature = self._committed(own)
        their_elements = self._exchanged(own, theirs)
        check_distinct(their_elements)
        returned, made = self._multiplied(own, theirs, mine, their_elements)
        self._check_returned(own, returned, theirs.public_key)
        found = self._common(own, returned, made)
        return Found(count=found[0], rows=found[1], commitment=commitment, signature=signature)

    def _exchange(self, payload: bytes, n_bytes: int) -> bytes:
        return self._session.mesh.exchange(Step.INTERSECT, {self._peer: payload}, {self._peer: n_bytes})[
            self._peer
        ]

    def _blinded(self, identifiers: bytes) -> _Own:
        """Key, pad, shuffle and blind the own set; an empty exchange a block keeps the peers in step."""
        n_own = len(identifiers) // IDENTIFIER_BYTES
        key = self._pair_key()
        hashed = [
            hmac.digest(key, identifiers[first : first + IDENTIFIER_BYTES], "sha512")
            for first in range(0, len(identifiers), IDENTIFIER_BYTES)
        ]
        padding = os.urandom(HASH_BYTES * (self._n_elements - n_own))
        hashed += [padding[first : first + HASH_BYTES] for first in range(0, len(padding), HASH_BYTES)]
        order = np.argsort(np.frombuffer(os.urandom(8 * self._n_elements), dtype=np.uint64))
        blocks = in_blocks(b"".join(hashed[place] for place in order.tolist()), HASH_BYTES)
        scalar, elements = fresh_scalar(), bytearray()
        for block in self._workers.map(Work.BLIND, scalar, blocks):
            elements += block
            self._exchange(b"", 0)
        own = _Own(scalar=scalar, places=np.where(order < n_own, order, -1), elements=b"", checks={})
        # the last paddings become check rows; wherever the shuffle has put them
        for place in np.flatnonzero(order >= self._size).tolist():
            exponent = scalar_product(scalar, fresh_scalar())
            elements[place * ELEMENT_BYTES : (place + 1) * ELEMENT_BYTES] = base_multiple(exponent)
            own.checks[place] = exponent
        own.elements = bytes(elements)
        return own

    def _pair_key(self) -> bytes:
        """A key that only the two parties know: identifiers are hashed under it, so that runs cannot be compared."""
        mine = os.urandom(IDENTIFIER_BYTES)
        theirs = self._exchange(mine, IDENTIFIER_BYTES)
        both = b"".join(sorted([mine, theirs]))
        return hashlib.sha256(_PAIR_KEY + self._session.session_id + both).digest()

    def _committed(self, own: _Own) -> tuple[Manifest, Manifest, bytes, bytes]:
        """Exchange signed commitments, then the manifests behind them; no element is sent before."""
        mine = Manifest.of(in_blocks(own.elements), base_multiple(own.scalar))
        commitment = mine.commitment(self._session.session_id, self._own_name)
        heard = self._exchange(commitment + self._signer.sign(commitment), DIGEST_BYTES + SIGNATURE_BYTES)
        theirs, signature = heard[:DIGEST_BYTES], heard[DIGEST_BYTES:]
        if not self._signer.has_signed(self._peer, theirs, signature):
            raise PeerRejectedError(reason="the commitment to a set is not signed by its owner")
        manifest = Manifest.read(
            self._exchange(mine.to_bytes(), manifest_bytes(self._n_elements)), self._n_elements
        )
        if not hmac.compare_digest(manifest.commitment(self._session.session_id, self._peer), theirs):
            raise PeerRejectedError(reason="a manifest is not the one that was committed to")
        check_element(manifest.public_key)
        if manifest.public_key == mine.public_key:
            raise PeerRejectedError(reason="the peer returned this party's own key")
        return manifest, mine, theirs, signature

    def _exchanged(self, own: _Own, theirs: Manifest) -> bytes:
        """Exchange the blinded sets, block by block."""
        heard = []
        for place, block in enumerate(in_blocks(own.elements)):
            heard.append(self._exchange(block, len(block)))
            theirs.check_block(place, heard[-1])
        return b"".join(heard)

    def _multiplied(
        self, own: _Own, theirs: Manifest, mine: Manifest, their_elements: bytes
    ) -> tuple[bytes, bytes]:
        """Multiply the peer's elements and return them.

        Returns:
            The own elements as the peer has multiplied them, and what this party made of the peer's.
        """
        multiplied = self._workers.map(Work.MULTIPLY, own.scalar, in_blocks(their_elements))
        if self._learns == "count":
            made = self._sorted_in_step(multiplied)
            return self._swapped(made, lambda place, block: self._own_tag(place, b"", block)), made
        returned, made_blocks = [], []
        for place, block in enumerate(multiplied):
            made_blocks.append(block)
            tag = return_tag(place, theirs.digests[place], block)
            heard = self._exchange(tag + block, DIGEST_BYTES + len(block))
            returned.append(self._checked_tag(place, mine.digests[place], heard))
        return b"".join(returned), b"".join(made_blocks)

    def _sorted_in_step(self, multiplied: object) -> bytes:
        """Wait for all blocks, in step with the peer; then sort, which forgets whose row an element is."""
        found = []
        for block in multiplied:  # type: ignore[attr-defined]
            found.append(block)
            self._exchange(b"", 0)
        return np.sort(as_elements(b"".join(found))).tobytes()

    def _swapped(self, made: bytes, tag: Callable[[int, bytes], bytes]) -> bytes:
        returned = []
        for place, block in enumerate(in_blocks(made)):
            heard = self._exchange(tag(place, block) + block, DIGEST_BYTES + len(block))
            returned.append(self._checked_tag(place, b"", heard))
        return b"".join(returned)

    @staticmethod
    def _own_tag(place: int, asked: bytes, block: bytes) -> bytes:
        return return_tag(place, asked, block)

    @staticmethod
    def _checked_tag(place: int, asked: bytes, heard: bytes) -> bytes:
        block = heard[DIGEST_BYTES:]
        if not hmac.compare_digest(heard[:DIGEST_BYTES], return_tag(place, asked, block)):
            raise PeerRejectedError(reason="a returned block does not belong to the block that was sent")
        return block

    def _check_returned(self, own: _Own, returned: bytes, public_key: bytes) -> None:
        """Refuse what is not an element, comes twice, or lacks a check row (at its place, where the order is kept)."""
        for _ in self._workers.map(Work.CHECK, own.scalar, in_blocks(returned)):
            self._exchange(b"", 0)
        check_distinct(returned)
        found = as_elements(returned)
        expected = {place: multiple(exponent, public_key) for place, exponent in own.checks.items()}
        if self._learns == "count":
            is_right = set(expected.values()) <= {
                returned[first : first + ELEMENT_BYTES] for first in range(0, len(returned), ELEMENT_BYTES)
            }
        else:
            is_right = all(
                returned[place * ELEMENT_BYTES : (place + 1) * ELEMENT_BYTES] == element
                for place, element in expected.items()
            )
        if not is_right or len(found) != self._n_elements:
            raise PeerRejectedError(reason="the returned rows are not those that were sent, in their order")

    def _common(self, own: _Own, returned: bytes, made: bytes) -> tuple[int, npt.NDArray[np.int64] | None]:
        """Compare, and check that both parties have found the same."""
        common, places, _ = np.intersect1d(
            as_elements(returned), as_elements(made), assume_unique=True, return_indices=True
        )
        whole = common.astype(f"S{ELEMENT_BYTES}").tobytes()
        digest = hashlib.sha256(_RESULT + self._session.session_id + whole).digest()
        if not hmac.compare_digest(self._exchange(digest, len(digest)), digest):
            raise PeerRejectedError(reason="the two parties have found different sets")
        if self._learns == "count":
            return len(common), None
        rows = own.places[places].astype(np.int64)
        if (rows < 0).any():
            raise PeerRejectedError(reason="a padding row was found in both sets")
        return len(common), rows


def exchanges_of(size: int) -> int:
    """Exchanges of a run in which both learn rows."""
    return 4 * len(block_rows(size + CHECK_ROWS)) + 4


def bytes_of(size: int) -> int:
    """Payload that either party sends to the other in such a run (bytes)."""
    n_elements = size + CHECK_ROWS
    n_blocks = len(block_rows(n_elements))
    fixed = IDENTIFIER_BYTES + DIGEST_BYTES + SIGNATURE_BYTES + DIGEST_BYTES
    return fixed + manifest_bytes(n_elements) + 2 * ELEMENT_BYTES * n_elements + DIGEST_BYTES * n_blocks
