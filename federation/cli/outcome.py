"""Turns an error into one clear sentence and an exit code, in one place.

Layer:       federation.cli.outcome.
Guarantees:  exit codes are 0 done, 1 failed, 2 wrong usage, 3 refused by policy or budget, 130 stopped by Ctrl-C.
             Standard error shows the error, whose rule it is, and what to do.
"""

from __future__ import annotations

from typing import Any, Final

from analytics.errors import (
    InvalidRequestError,
    OverflowRiskError,
    PlanRejectedError,
    ReleaseRefusedError,
)
from crossward.base_error import CrosswardError
from federation.errors import (
    AmendmentRejectedError,
    ApprovalMissingError,
    ConfigError,
    FederationError,
    FoundingRefusedError,
    PolicyRefusedError,
    RequestRejectedError,
    RequirementNotMetError,
    SiteUnavailableError,
)
from federation.protocol.error_codes import is_ours, to_wire
from privacy_accounting.errors import BudgetExceededError, InvalidCostError
from smpc.errors import PartyLostError

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
REFUSED: Final = 3
STOPPED: Final = 130
NO_CONSORTIUM: Final = (
    "-c takes the consortium's folder, as crossward init, found or join made it, or the file consortium.toml in it; "
    "CROSSWARD_CONSORTIUM stands for -c"
)
OURS: Final = (CrosswardError,)


class UsageError(FederationError):
    """The command line is wrong."""

    def __init__(self, *, reason: str) -> None:
        """Say what is wrong and what would be right."""
        self.reason = reason
        super().__init__(reason)


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error."""
    if isinstance(
        error,
        PolicyRefusedError
        | BudgetExceededError
        | ReleaseRefusedError
        | ApprovalMissingError
        | AmendmentRejectedError
        | FoundingRefusedError
        | RequirementNotMetError,
    ):
        return REFUSED
    if isinstance(
        error, UsageError | PlanRejectedError | InvalidRequestError | InvalidCostError | OverflowRiskError
    ):
        return USAGE
    return FAILED


def sentence(error: BaseException) -> str:
    """Return the text of an error for the terminal."""
    if isinstance(error, ConfigError):
        lines = [printable(mistake) for mistake in error.mistakes]
        if len(lines) == 1 and lines[0].startswith("cannot read ") and "consortium.toml: No such" in lines[0]:
            lines.append(NO_CONSORTIUM)
        return "\n".join(lines)
    return printable(f"{error}{_spent(error) or _hint(error)}")


def error_document(error: BaseException) -> dict[str, Any]:
    """Return an error for ``--json``: its code, the sentence, the exit code, and its public fields."""
    fields: dict[str, Any] = {"mistakes": error.mistakes} if isinstance(error, ConfigError) else {}
    code = type(error).__name__
    if is_ours(error):
        code, fields = to_wire(error, site="")
    return {"code": code, "message": sentence(error), "exit_code": exit_code(error), "fields": fields}


def _spent(error: BaseException) -> str:
    """Return what was charged before the error, where the session knows it."""
    return "".join(f"; {note}" for note in getattr(error, "__notes__", ()))


def stopped(error: BaseException) -> str:
    """Return the text for the person who interrupted a command."""
    return printable(f"stopped{_spent(error)}")


def without_permission(error: OSError) -> str:
    """Describe a file, folder or process that this user may not use, in one sentence."""
    reason = error.strerror or type(error).__name__
    return printable(f"{error.filename}: {reason}" if error.filename else reason)


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
