"""An analyst's request: the bytes that are hashed, signed and charged."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from federation.protocol.request_form import MAX_REQUEST_BYTES, check_fields
from privacy_accounting.decimals import format_decimal, parse_decimal
from privacy_accounting.errors import InvalidCostError
from smpc.errors import PeerRejectedError

if TYPE_CHECKING:
    from fractions import Fraction


REQUEST_TAG = b"crossward/request/2\n"
VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request of an analyst, in the form that is hashed, signed and charged.

    ``question`` holds the kind's own parameters (for a query: ``sql``); numbers in it are decimal strings or ints.
    ``mechanism`` names the noise of a private answer; a request without it has no such field, and Gaussian noise.
    ``plan`` is the digest of the plan that the client derives, hexadecimal: a site that derives another one refuses.
    """

    kind: str
    mode: str
    epsilon: Fraction | None
    analyst: str
    purpose: str
    nonce: str
    configuration: str
    plan: str
    question: dict[str, Any] = field(default_factory=dict)
    mechanism: str | None = None

    def to_bytes(self) -> bytes:
        """Canonical JSON, ASCII, sorted keys."""
        body: dict[str, Any] = {
            "version": VERSION,
            "kind": self.kind,
            "mode": self.mode,
            "epsilon": None if self.epsilon is None else format_decimal(self.epsilon),
            "analyst": self.analyst,
            "purpose": self.purpose,
            "nonce": self.nonce,
            "configuration": self.configuration,
            "plan": self.plan,
            "question": self.question,
        }
        if self.mechanism is not None:
            body["mechanism"] = self.mechanism
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    def digest(self) -> str:
        """SHA-256 under the request tag, hex: the request hash of the ledger."""
        return request_hash(self.to_bytes())

    @staticmethod
    def from_bytes(data: bytes) -> Request:
        """Read canonical bytes; bytes that would not encode to themselves are refused.

        Raises:
            PeerRejectedError: the bytes are not a request of this version, or a field is malformed.
            InvalidRequestError: the purpose or the question holds a forbidden character.
        """
        if len(data) > MAX_REQUEST_BYTES:
            raise PeerRejectedError(reason="the request is too long")
        try:
            body = json.loads(data)
            version = body.pop("version", None) if isinstance(body, dict) else None
            if version != VERSION:
                named = version if isinstance(version, int) else "none"
                reason = f"the request has version {named}, and this member reads version {VERSION} only"
                raise PeerRejectedError(reason=reason)
            epsilon = body.pop("epsilon")
            request = Request(epsilon=None if epsilon is None else parse_decimal(epsilon), **body)
            check_fields(body)
            is_same = request.to_bytes() == data
        except (ValueError, TypeError, KeyError, RecursionError, InvalidCostError) as error:
            raise PeerRejectedError(reason="the bytes are not a request") from error
        if not is_same:
            raise PeerRejectedError(reason="the request is not in canonical form")
        return request


def request_hash(data: bytes) -> str:
    """SHA-256 of a request's bytes under its tag, hex."""
    return hashlib.sha256(REQUEST_TAG + data).hexdigest()
