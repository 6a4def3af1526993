"""A node's clock and version."""

from __future__ import annotations

import time
from importlib.metadata import PackageNotFoundError, version


def wall_clock() -> int:
    """The current time in seconds since 1970."""
    return int(time.time())


def installed_version() -> str:
    """The installed version of the project."""
    try:
        return version("crossward")
    except PackageNotFoundError:
        return "unknown"
