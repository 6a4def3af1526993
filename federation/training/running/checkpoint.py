"""The analyst's checkpoint of a run: what was charged and what was opened, signed by the analyst.

Layer:       federation.training.running.checkpoint, above run_state. Bytes only; files are the caller's.
Guarantees:  a checkpoint that was edited, or is of another analyst or consortium, is refused. It holds the signed request,
             the ledger entries and the number of each opened attempt, and no row, sum or key: the sums come from the
             key holder, which keeps them, and the model follows from them. So an entry that was charged is never
             charged again, and a run goes on where it stopped.
See instead: the replay (``run_state``), the key holder's store (``federation.aggregation.opened_sums``).
Source:      ours.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature

from federation.errors import ConfigError
from federation.protocol.request import Request
from federation.training.running.run_state import Charged
from privacy_accounting.errors import AccountingError
from privacy_accounting.ledger import contents
from privacy_accounting.ledger.entries import Entry
from smpc.errors import PeerRejectedError

if TYPE_CHECKING:
    from federation.identity.certificates import Identity

FORMAT: Final = "crossward/checkpoint/1"
_TAG: Final = b"crossward/checkpoint/1\n"
MOST_BYTES: Final = 1 << 28
_FIELDS: Final = {"format", "request", "request_signature", "entries", "used", "signature"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A run so far.

    Attributes:
        request: the request's bytes.
        request_signature: the analyst's, on it.
        entries: the complete ledger entries charged so far, in order.
        used: the opened attempt of each opened round.
    """

    request: bytes
    request_signature: bytes
    entries: tuple[bytes, ...]
    used: tuple[int, ...]

    def to_bytes(self, identity: Identity) -> bytes:
        """Write and sign it.

        Args:
            identity: of the analyst.
        """
        body = _body(self)
        signature = identity.sign(_TAG + _spelled(body))
        return _spelled(body | {"signature": b64encode(signature).decode("ascii")})

    @classmethod
    def from_bytes(cls, data: bytes, identity: Identity) -> Checkpoint:
        """Read one of this analyst's checkpoints.

        Args:
            data: the file.
            identity: of the analyst.

        Raises:
            ConfigError: it is no checkpoint, was edited, or another analyst wrote it.
        """
        try:
            fields = json.loads(data) if len(data) <= MOST_BYTES else None
            if not isinstance(fields, dict) or set(fields) != _FIELDS or fields["format"] != FORMAT:
                raise ConfigError(mistakes=["this file is not a checkpoint of a training"])
            signature = b64decode(fields.pop("signature"), validate=True)
            identity.signing_key.public_key().verify(signature, _TAG + _spelled(fields))
            found = cls(
                request=b64decode(fields["request"], validate=True),
                request_signature=b64decode(fields["request_signature"], validate=True),
                entries=tuple(b64decode(entry, validate=True) for entry in fields["entries"]),
                used=tuple(fields["used"]),
            )
        except InvalidSignature:
            reason = f"the checkpoint was edited, or another analyst than {identity.name} wrote it"
            raise ConfigError(mistakes=[reason]) from None
        except (ValueError, TypeError, RecursionError) as error:
            raise ConfigError(mistakes=["this file is not a checkpoint of a training"]) from error
        found.asked()
        return found

    def asked(self) -> Request:
        """Read the request.

        Raises:
            ConfigError: the bytes are not a request.
        """
        try:
            return Request.from_bytes(self.request)
        except PeerRejectedError as error:
            raise ConfigError(mistakes=["the checkpoint's request cannot be read"]) from error

    def charged(self) -> list[tuple[Charged, bytes]]:
        """Give the attempt of every entry.

        Raises:
            ConfigError: an entry charges no attempt of a training.
        """
        found = []
        for data in self.entries:
            try:
                body = Entry.from_bytes(data).body
            except AccountingError as error:
                raise ConfigError(mistakes=["an entry of the checkpoint cannot be read"]) from error
            content = body.content
            if not isinstance(content, contents.Charge | contents.Exact) or content.asked.run == "":
                raise ConfigError(mistakes=["an entry of the checkpoint charges no attempt of a training"])
            asked = content.asked
            attempt = Charged(round_number=asked.round, attempt=asked.attempt, cohort=body.cohort)
            found.append((attempt, data))
        return found


def _body(checkpoint: Checkpoint) -> dict[str, object]:
    return {
        "format": FORMAT,
        "request": b64encode(checkpoint.request).decode("ascii"),
        "request_signature": b64encode(checkpoint.request_signature).decode("ascii"),
        "entries": [b64encode(entry).decode("ascii") for entry in checkpoint.entries],
        "used": list(checkpoint.used),
    }


def _spelled(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
