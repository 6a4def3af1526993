"""Canonical JSON: one value, one byte string, and a strict reader for its fields.

Layer:       privacy_accounting.ledger, lowest. Pure.
Guarantees:  ``decode(data)`` accepts exactly the bytes that ``encode`` writes: keys sorted, no whitespace, ASCII,
             only objects, lists, strings and integers below ``2**63`` in size. Floats, booleans, null, duplicate
             keys, control characters and any other spelling of the same value are refused, so that equal hashes mean
             equal meaning.
See instead: what the fields of an entry are (``contents``).
Source:      ours; RFC 8785 sorts by UTF-16 and allows floats, the ledger has none.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NoReturn

from privacy_accounting.errors import LedgerRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_INTEGER: Final = 2**63 - 1
MAX_DEPTH: Final = 12
MAX_NAME: Final = 200
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def malformed(reason: str) -> LedgerRefusedError:
    """Build the error for bytes that are not what the ledger writes."""
    return LedgerRefusedError(reason=f"malformed ledger bytes: {reason}")


def _check(value: object, depth: int = 0) -> None:
    """Refuse whatever canonical JSON cannot hold."""
    if isinstance(value, str):
        # Most strings are printable ASCII, which two fast questions settle.
        if not (value.isascii() and value.isprintable()) and _CONTROL.search(value):
            raise malformed("control character in a string")
    elif isinstance(value, dict | list | tuple):
        if depth > MAX_DEPTH:
            raise malformed("nested too deeply")
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                raise malformed("a key is not a string")
            _check(list(value), depth + 1)
        for inner in value.values() if isinstance(value, dict) else value:
            _check(inner, depth + 1)
    elif type(value) is not int or abs(value) > MAX_INTEGER:
        raise malformed(f"{type(value).__name__} is not allowed here, or out of range")


def encode(value: object) -> bytes:
    """Write a value as canonical JSON.

    Args:
        value: objects, lists, strings and integers only.

    Returns:
        ASCII bytes; equal values give equal bytes on every machine.

    Raises:
        LedgerRefusedError: the value holds a float, a boolean, null or another thing without canonical form.
    """
    _check(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Build an object, refusing a key that stands twice."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise malformed("duplicate key")
    return result


def _refuse_number(text: str) -> NoReturn:
    """Refuse floats, NaN and infinities while parsing."""
    raise malformed(f"{text[:20]} is not an integer")


def decode(data: bytes, *, limit: int) -> dict[str, object]:
    """Read canonical JSON strictly.

    Args:
        data: what ``encode`` wrote.
        limit: bytes; longer input is refused before it is parsed.

    Returns:
        The object.

    Raises:
        LedgerRefusedError: too long, not JSON, no object, or not what ``encode`` would write.
    """
    value = parse(data, limit=limit)
    if encode(value) != data:
        raise malformed("not in canonical form")
    return value


def parse(data: bytes, *, limit: int) -> dict[str, object]:
    """Read JSON whose form is not checked: for a caller that writes what it read and compares the bytes.

    Raises:
        LedgerRefusedError: too long, not JSON, no object, or with a float.
    """
    if len(data) > limit:
        raise malformed(f"more than {limit} bytes")
    try:
        value = json.loads(
            data.decode("ascii"),
            object_pairs_hook=_no_duplicates,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except (ValueError, RecursionError) as error:
        raise malformed("not JSON") from error
    if not isinstance(value, dict):
        raise malformed("not an object")
    return value


class Fields:
    """Reads the fields of one object by their names and types; at the end nothing may be left over."""

    def __init__(self, value: object, where: str) -> None:
        """Wrap a decoded object.

        Raises:
            LedgerRefusedError: the value is not an object.
        """
        if not isinstance(value, dict):
            raise malformed(f"{where} is not an object")
        self._left: dict[str, object] = dict(value)
        self._where = where

    def _take(self, name: str) -> object:
        if name not in self._left:
            raise malformed(f"{self._where} lacks {name}")
        return self._left.pop(name)

    def has(self, name: str) -> bool:
        """Whether a field, which may be left out, is there."""
        return name in self._left

    def text(self, name: str, *, most: int = MAX_NAME, empty: bool = False) -> str:
        """Take a string of at most ``most`` characters, by default not empty."""
        value = self._take(name)
        if not isinstance(value, str) or len(value) > most or not (value or empty):
            raise malformed(f"{self._where}.{name} is not a string of 1 to {most} characters")
        return value

    def integer(self, name: str, *, low: int = 0, high: int = MAX_INTEGER) -> int:
        """Take an integer between two bounds, both included."""
        value = self._take(name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise malformed(f"{self._where}.{name} is not an integer from {low} to {high}")
        return value

    def integer_or_zero(self, name: str) -> int:
        """Take an integer from 1; 0, which is never written, where the field is missing."""
        return self.integer(name, low=1) if name in self._left else 0

    def hexadecimal(self, name: str, n_bytes: int) -> str:
        """Take ``n_bytes`` bytes written as lower-case hexadecimal digits."""
        value = self._take(name)
        if not isinstance(value, str) or len(value) != 2 * n_bytes or not _HEX.fullmatch(value):
            raise malformed(f"{self._where}.{name} is not {n_bytes} bytes in hexadecimal")
        return value

    def names(self, name: str, *, most: int = 256) -> tuple[str, ...]:
        """Take a sorted list of at least one distinct name."""
        values = self.sequence(name)
        names = tuple(str(value) for value in values)
        wrong = [v for v in values if not isinstance(v, str) or not 0 < len(v) <= MAX_NAME]
        if wrong or not 0 < len(names) <= most or list(names) != sorted(set(names)):
            raise malformed(f"{self._where}.{name} is not a sorted list of names")
        return names

    def sequence(self, name: str) -> Sequence[object]:
        """Take a list."""
        value = self._take(name)
        if not isinstance(value, list):
            raise malformed(f"{self._where}.{name} is not a list")
        return value

    def mapping(self, name: str) -> dict[str, object]:
        """Take an object."""
        value = self._take(name)
        if not isinstance(value, dict):
            raise malformed(f"{self._where}.{name} is not an object")
        return value

    def done(self) -> None:
        """Refuse what was not asked for.

        Raises:
            LedgerRefusedError: an unknown field is left.
        """
        if self._left:
            raise malformed(f"{self._where} has unknown field {min(self._left)}")
