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
from federation.paillier.keys import DEFAULT_BITS, PrivateKey, PublicKey, generate_private_key
from federation.paillier.validation import CEILING_BITS

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_KEY_FILE: Final = "paillier.key"
PRIVATE_FORMAT: Final = "crossward/paillier-private/1"
_MAX_FILE_BYTES: Final = 1 << 14


def create_private_key_file(path: Path, *, bits: int = DEFAULT_BITS) -> PublicKey:
    """Make a new key and store it.

    Visible to: the private key stays in this process and in the file.

    Args:
        path: where to write; the directory exists, the file does not.
        bits: size of n, at least 2048.

    Raises:
        KeyMismatchError: the file exists already, or the size is refused.
    """
    key = generate_private_key(bits=bits)
    fields = {"format": PRIVATE_FORMAT, "p": f"{key.p:x}", "q": f"{key.q:x}"}
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
    return PrivateKey(*_read_primes(data))


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


def _read_primes(data: bytes) -> tuple[int, int]:
    # "from None" throughout: the original error would carry a piece of the file along
    try:
        fields = json.loads(data) if len(data) <= _MAX_FILE_BYTES else None
    except ValueError:
        raise KeyMismatchError(reason="the private key file is not a key file") from None
    if (
        not isinstance(fields, dict)
        or set(fields) != {"format", "p", "q"}
        or fields["format"] != PRIVATE_FORMAT
    ):
        raise KeyMismatchError(reason="the private key file is not a key file")
    try:
        return int(fields["p"], 16), int(fields["q"], 16)
    except (TypeError, ValueError):
        raise KeyMismatchError(reason="the private key file is not a key file") from None


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
