"""Turns an error into an exit code and a document, in one place.

Layer:       federation.cli.outcome.
Guarantees:  exit codes are 0 done, 1 failed, 2 wrong usage, 3 refused by policy or budget, 130 stopped by Ctrl-C.
             Standard error shows the error, whose rule it is, and what to do.
See instead: the sentence of an error (``federation.display.error_text``).
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
from federation.display.error_text import charged_before, printable, sentence
from federation.errors import (
    AmendmentRejectedError,
    ApprovalMissingError,
    ConfigError,
    FederationError,
    FoundingRefusedError,
    PolicyRefusedError,
    RequirementNotMetError,
)
from federation.protocol.error_codes import is_ours, to_wire
from privacy_accounting.errors import BudgetExceededError, InvalidCostError

__all__ = [
    "DONE",
    "FAILED",
    "OURS",
    "REFUSED",
    "STOPPED",
    "USAGE",
    "UsageError",
    "error_document",
    "exit_code",
    "printable",
    "sentence",
    "stopped",
    "without_permission",
]
DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
REFUSED: Final = 3
STOPPED: Final = 130
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


def error_document(error: BaseException) -> dict[str, Any]:
    """Return an error for ``--json``: its code, the sentence, the exit code, and its public fields."""
    fields: dict[str, Any] = {"mistakes": error.mistakes} if isinstance(error, ConfigError) else {}
    code = type(error).__name__
    if is_ours(error):
        code, fields = to_wire(error, site="")
    return {"code": code, "message": sentence(error), "exit_code": exit_code(error), "fields": fields}


def stopped(error: BaseException) -> str:
    """Return the text for the person who interrupted a command."""
    return printable(f"stopped{charged_before(error)}")


def without_permission(error: OSError) -> str:
    """Describe a file, folder or process that this user may not use, in one sentence."""
    reason = error.strerror or type(error).__name__
    return printable(f"{error.filename}: {reason}" if error.filename else reason)
