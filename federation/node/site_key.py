"""The site's secret, which chooses the rows of a unit that stay; made at the first start.

Layer:       federation.node.site_key, below serve.
Guarantees:  only its owner may read it, else nothing starts; a first write that was cut short is made good, and a key
             under which something may have been answered is never replaced.
See instead: what the key chooses (``analytics.sources``).
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
    """Read the site's key; make it where there is none.

    Args:
        path: of its file.
        is_first_start: whether the site has no ledger yet, so that nothing was answered under any key.

    Returns:
        32 bytes.

    Raises:
        ConfigError: others may read it, it is not whole, or it cannot be written.
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
        reason = f"{path}: is not the site's key: it has {len(key)} bytes instead of {SITE_KEY_BYTES}; put a copy back"
        raise ConfigError(mistakes=[reason])
    return key
