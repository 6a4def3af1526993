"""The form of a request: type, length and characters of every field, checked on arrival.

Layer:       federation.protocol.request_form, above config. Pure.
Guarantees:  later steps need not check a field again: names are names, a purpose is one line of printable text, a
             question is an object of texts, integers and lists of bounded depth. Refused are invisible characters,
             characters that change the writing direction (such as U+202E), control and format characters, private
             and unassigned ones, and lone surrogates.
See instead: the meaning of a question (``federation.requests.planning``), the ledger's own bytes
             (``privacy_accounting.ledger``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError
from federation.consortium.file_format.file_types import NAME
from smpc.errors import PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PURPOSE: Final = 200
MAX_REQUEST_BYTES: Final = 1 << 21
MAX_DEPTH: Final = 4
MAX_VALUES: Final = 20_000
MAX_INTEGER: Final = 2**63 - 1
_HEX: Final = {
    "nonce": re.compile(r"[0-9a-f]{32}"),
    "configuration": re.compile(r"[0-9a-f]{64}"),
    "plan": re.compile(r"[0-9a-f]{64}"),
}
_NAMES: Final = ("kind", "mode", "analyst")
_OPTIONAL_NAMES: Final = ("mechanism",)
_LAYOUT: Final = re.compile("[\n\r\t\u00a0\u2000-\u200a\u202f\u3000]")  # white space that people type


def is_line(text: object, most: int = MAX_PURPOSE) -> bool:
    """Whether a value is one line of printable text, not empty and at most ``most`` characters long."""
    return isinstance(text, str) and 0 < len(text) <= most and text.isprintable() and text == text.strip()


def check_fields(fields: Mapping[str, object]) -> None:
    """Check every field of a request except epsilon, which ``Request.from_bytes`` reads.

    Args:
        fields: name to value.

    Raises:
        PeerRejectedError: a field written by the client is malformed.
        InvalidRequestError: a text written by the analyst (purpose, question) holds a forbidden character.
    """
    for name in (*_NAMES, *(name for name in _OPTIONAL_NAMES if name in fields)):
        value = fields[name]
        if not isinstance(value, str) or not NAME.fullmatch(value):
            raise _rejected(name)
    for name, form in _HEX.items():
        value = fields[name]
        if not isinstance(value, str) or not form.fullmatch(value):
            raise _rejected(name)
    if not isinstance(fields["purpose"], str):
        raise _rejected("purpose")
    if not is_line(fields["purpose"]):
        reason = f"must be one line of 1 to {MAX_PURPOSE} printable characters"
        raise InvalidRequestError(parameter="purpose", reason=reason)
    if not isinstance(fields["question"], dict):
        raise _rejected("question")
    _check_question(fields["question"])


def _rejected(name: str) -> PeerRejectedError:
    return PeerRejectedError(reason=f"the request has a malformed {name}")


def _check_question(question: dict[object, object]) -> None:
    """Check every value of a question once, without recursion."""
    left: list[tuple[object, int]] = [(question, 0)]
    seen = 0
    while left:
        value, depth = left.pop()
        seen += 1
        if seen > MAX_VALUES or depth > MAX_DEPTH:
            raise _rejected("question")
        if isinstance(value, dict):
            left += [(inner, depth + 1) for pair in value.items() for inner in pair]
        elif isinstance(value, list):
            left += [(inner, depth + 1) for inner in value]
        else:
            _check_value(value)


def _check_value(value: object) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, bool) or value is None:
        return
    elif not isinstance(value, int) or abs(value) > MAX_INTEGER:
        raise _rejected("question")


def _check_text(text: str) -> None:
    if _LAYOUT.sub("", text).isprintable():
        return
    place, sign = next(
        (place, sign)
        for place, sign in enumerate(text, 1)
        if not (sign.isprintable() or _LAYOUT.fullmatch(sign))
    )
    reason = f"holds a character that does not print (U+{ord(sign):04X}, at position {place} of its text)"
    raise InvalidRequestError(parameter="question", reason=reason)
