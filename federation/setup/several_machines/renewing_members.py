"""Renewing the key of whoever asks for it: a site, a helper, an analyst or an auditor, by the file that it has.

Layer:       federation.setup.several_machines.renewing_members, above renewing.
See instead: the renewal itself (``renewing``), the exchange at the member (``federation.identity.next_identity``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from federation.consortium.consortium_file import load_consortium
from federation.consortium.file_format.file_kinds import HELPER, kind_of
from federation.consortium.file_format.file_reading import read_toml
from federation.consortium.helper_file import load_helper
from federation.setup.several_machines.renewing import (
    install_new_key,
    install_renewal,
    request_new_key,
    request_renewal,
)

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from federation.consortium.consortium_file import Consortium

IDENTITY: Final = ".pem"


def is_site_file(path: Path) -> bool:
    """Whether a path is a site's file or folder, and neither a helper's file nor an identity.

    Raises:
        ConfigError: a file cannot be read.
    """
    return path.suffix != IDENTITY and (path.is_dir() or kind_of(read_toml(path)) != HELPER)


def request_member_renewal(path: Path, consortium: Path | None) -> tuple[bytes, str]:
    """Make a new key and the renewal for the authority.

    Args:
        path: the site's or the helper's file; of an analyst or auditor the identity file.
        consortium: of an analyst or auditor, the consortium file; default two folders above the identity.

    Returns:
        The renewal's bytes, and the new public key, hex.

    Raises:
        ConfigError: a file cannot be read or written.
    """
    return request_renewal(path) if is_site_file(path) else request_new_key(*_files(path, consortium))


def install_member_renewal(path: Path, data: bytes, consortium: Path | None) -> datetime:
    """Keep a renewed certificate with its key; the present identity stays in use. Other arguments as above.

    Args:
        path: as above.
        data: the renewed certificate's bytes.
        consortium: as above.

    Returns:
        The end of the certificate.

    Raises:
        FoundingRefusedError: it is not the authority's, or not for the key that was made here.
        ConfigError: a file cannot be read or written.
    """
    if is_site_file(path):
        return install_renewal(path, data)
    return install_new_key(*_files(path, consortium), data)


def _files(path: Path, consortium: Path | None) -> tuple[Path, Consortium]:
    if path.suffix == IDENTITY:
        return path, load_consortium(path.resolve().parent.parent if consortium is None else consortium)
    files = load_helper(path)
    return files.identity, load_consortium(files.consortium)
