"""The site's secret key, which chooses the kept rows of a unit; created at the first start.

Layer:       federation.node.site_key, below site_process.
Guarantees:  the node starts only if the key's owner alone can read it; a first write that was cut short is repaired;
             a key that may have served an answer is never replaced.
See instead: the choice that the key makes (``analytics.sources``).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from federation.errors import ConfigError
from federation.identity.certificates import read_private, write_private

if TYPE_CHECKING:
    from pathlib import Path

SITE_KEY_BYTES: Final = 32


def site_key(path: Path, *, is_first_start: bool) -> bytes:
    """Read the site's key; create it if there is none.

    Args:
        path: the key file.
        is_first_start: whether the site has no ledger yet, so that no answer has used any key.

    Returns:
        32 bytes.

    Raises:
        ConfigError: other users can read the file, it is damaged, or it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if is_first_start and path.is_file() and path.stat().st_size < SITE_KEY_BYTES:
        path.unlink()  # the first write was cut short
    if not path.exists():
        write_private(path, secrets.token_bytes(SITE_KEY_BYTES))
    try:
        key = read_private(path)
    except ConfigError as error:
        raise ConfigError(mistakes=[f"{path}: {mistake}" for mistake in error.mistakes]) from error
    if len(key) != SITE_KEY_BYTES:
        reason = f"{path}: it is not the site's key: it has {len(key)} bytes instead of {SITE_KEY_BYTES}; put a copy back"
        raise ConfigError(mistakes=[reason])
    return key
