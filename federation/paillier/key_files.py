"""Stores the key holder's keys, and accepts a public key against its pinned fingerprint.

Layer:       federation.paillier.key_files, above ``keys``. Files only; runs at the key holder, except for
             ``accept_public_key``.
Terms:       to *pin* a key: the key holder makes the key in its own directory and reads out the fingerprint, the
             consortium file states it, and every other party accepts n only under that fingerprint.
Guarantees:  the private key's file is created with mode 0600, is never overwritten, is on the disk before its public
             key is given to any party, and is refused when another user may read it. No function here accepts a key
             below 2048 bits.
See instead: the consortium file (``federation.consortium.consortium_file``).
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Final

from federation.errors import KeyMismatchError
from federation.paillier.keys import (
    DEFAULT_BITS,
    FULL_EXPONENT,
    SHORT_EXPONENT,
    PrivateKey,
    PublicKey,
    generate_private_key,
)
from federation.paillier.short_keys import generate_short_key
from federation.paillier.validation import CEILING_BITS

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_KEY_FILE: Final = "paillier.key"
PRIVATE_FORMAT: Final = "crossward/paillier-private/1"
SHORT_PRIVATE_FORMAT: Final = "crossward/paillier-short-private/1"
_FORMATS: Final = {FULL_EXPONENT: PRIVATE_FORMAT, SHORT_EXPONENT: SHORT_PRIVATE_FORMAT}
_FIELDS: Final = {
    PRIVATE_FORMAT: {"format", "p", "q"},
    SHORT_PRIVATE_FORMAT: {"format", "p", "q", "base", "a", "b"},
}
_MAX_FILE_BYTES: Final = 1 << 14
_NO_KEY: Final = "the private key file is not a key file"


def create_private_key_file(
    path: Path, *, bits: int = DEFAULT_BITS, key_type: str = FULL_EXPONENT
) -> PublicKey:
    """Make a new key and store it.

    Visible to: the private key stays in this process and in the file.

    Args:
        path: where to write; the directory exists, the file does not.
        bits: size of n, at least 2048.
        key_type: of full exponents, or of short ones.

    Raises:
        KeyMismatchError: the file exists already, or size or type are refused.
    """
    if key_type not in _FORMATS:
        raise KeyMismatchError(reason=f"the type of a key is one of {', '.join(_FORMATS)}")
    key = generate_short_key(bits=bits) if key_type == SHORT_EXPONENT else generate_private_key(bits=bits)
    fields = {"format": _FORMATS[key_type], "p": f"{key.p:x}", "q": f"{key.q:x}"}
    if key.subgroup is not None:
        fields |= {"base": f"{key.base:x}", "a": f"{key.subgroup[0]:x}", "b": f"{key.subgroup[1]:x}"}
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise KeyMismatchError(
            reason="the private key file exists already and is never overwritten"
        ) from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(json.dumps(fields) + "\n")
        file.flush()
        os.fsync(file.fileno())
    _sync_directory(path.parent)
    return key.public


def load_private_key(path: Path) -> PrivateKey:
    """Read the private key back, with every check of a new one (about 0.3 s at 3072 bits).

    Raises:
        KeyMismatchError: the file is missing, readable by others, not a key file, or holds a refused key.
    """
    try:
        # not blocking, so that a named pipe in its place is refused as well
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise KeyMismatchError(reason="the private key file cannot be opened") from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) & 0o077:
            raise KeyMismatchError(reason="the private key file must be a plain file with mode 0600")
        data = os.read(handle, _MAX_FILE_BYTES + 1)
    finally:
        os.close(handle)
    return _read_key(data)


def accept_public_key(data: bytes, *, fingerprint: str) -> PublicKey:
    """Accept a public key that came over the wire, if it is the pinned one.

    Args:
        data: n, big end first, as ``PublicKey.to_bytes`` gives it.
        fingerprint: from the consortium file or the round's plan.

    Raises:
        KeyMismatchError: n is not fit for use, or has another fingerprint.
    """
    if not data or len(data) > CEILING_BITS // 8 or data[0] == 0:
        raise KeyMismatchError(reason="the public key is not a plain big-endian integer of an accepted size")
    key = PublicKey(int.from_bytes(data, "big"))
    if key.fingerprint != fingerprint:
        raise KeyMismatchError(reason="the public key does not have the pinned fingerprint")
    return key


def _read_key(data: bytes) -> PrivateKey:
    # "from None" throughout: the original error would carry a piece of the file along
    try:
        fields = json.loads(data) if len(data) <= _MAX_FILE_BYTES else None
    except ValueError:
        raise KeyMismatchError(reason=_NO_KEY) from None
    if not isinstance(fields, dict) or set(fields) != _FIELDS.get(str(fields.get("format"))):
        raise KeyMismatchError(reason=_NO_KEY)
    try:
        numbers = {name: int(text, 16) for name, text in fields.items() if name != "format"}
    except (TypeError, ValueError):
        raise KeyMismatchError(reason=_NO_KEY) from None
    if fields["format"] == PRIVATE_FORMAT:
        return PrivateKey(numbers["p"], numbers["q"])
    subgroup = (numbers["a"], numbers["b"])
    return PrivateKey(numbers["p"], numbers["q"], base=numbers["base"], subgroup=subgroup)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
