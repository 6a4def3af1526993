"""The last preflight of a site in full detail, for its administrator alone.

Layer:       federation.node.preflight.record, below service.
Guarantees:  the file has mode 0600 in the site's state folder and holds the site's own names and counts (P19 i); nothing of
             it goes to an analyst. It is written whole; where that fails the preflight is answered all the same.
See instead: what the analyst gets (``service``), the doctor that shows it (``federation.diagnostics``).
"""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE: Final = "preflight.json"
LOG: Final = logging.getLogger(__name__)


def write_record(folder: Path | None, content: Mapping[str, Any]) -> None:
    """Put a record in the place of the last one.

    Args:
        folder: the site's state folder; None: it keeps nothing.
        content: as JSON has it.
    """
    if folder is None:
        return
    partial = folder / f".{FILE}.partial"
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=1, sort_keys=True)
        partial.replace(folder / FILE)
    except OSError as error:
        LOG.warning("the preflight cannot be recorded: %s", error.strerror)


def read_record(folder: Path) -> dict[str, Any] | None:
    """Read the last record; None where there is none, or it cannot be read."""
    try:
        content = json.loads((folder / FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
