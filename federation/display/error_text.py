"""The text of an error for a person: one clear sentence, what was charged before it, and what to do.

Layer:       federation.display.error_text.
Guarantees:  text of other members can neither steer a terminal nor break a line.
See instead: exit codes (``federation.cli.outcome``).
"""

from __future__ import annotations

from typing import Final

from federation.errors import (
    ApprovalMissingError,
    ConfigError,
    PolicyRefusedError,
    RequestRejectedError,
    SiteUnavailableError,
)
from privacy_accounting.errors import BudgetExceededError
from smpc.errors import PartyLostError

NO_CONSORTIUM: Final = (
    "-c takes the consortium's folder, as crossward init, found or join made it, or the file consortium.toml in it; "
    "CROSSWARD_CONSORTIUM stands for -c"
)


def sentence(error: BaseException) -> str:
    """Return the text of an error for a person."""
    if isinstance(error, ConfigError):
        lines = [printable(mistake) for mistake in error.mistakes]
        if len(lines) == 1 and lines[0].startswith("cannot read ") and "consortium.toml: No such" in lines[0]:
            lines.append(NO_CONSORTIUM)
        return "\n".join(lines)
    return printable(f"{error}{charged_before(error) or _hint(error)}")


def charged_before(error: BaseException) -> str:
    """Return what was charged before the error, where the session knows it."""
    return "".join(f"; {note}" for note in getattr(error, "__notes__", ()))


def printable(text: str) -> str:
    """Replace control characters, so that text of another member cannot steer this terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _hint(error: BaseException) -> str:
    """Return what to do; only an error without a note on what was charged cost nothing."""
    if isinstance(error, BudgetExceededError):
        return "; nothing was spent"
    if isinstance(error, SiteUnavailableError):
        return (
            "; nothing was spent. Start it (of a rehearsal: crossward up FOLDER), ask its administrator, or see what "
            "crossward doctor says"
        )
    if isinstance(error, PartyLostError):
        return "; if the ledger shows the charge, it is spent. Run crossward doctor, then ask again"
    if isinstance(error, RequestRejectedError):
        return "; nothing was spent. Compare your consortium file with that site's"
    if isinstance(error, ApprovalMissingError):
        return "; nothing was changed. Its administrator can approve it with crossward ledger approve"
    if isinstance(error, PolicyRefusedError):
        return "; nothing was spent. The rule is in that site's own file"
    return ""
