"""Turns an error into one clear sentence and an exit code, in one place.

Layer:       federation.cli.outcome.
Guarantees:  exit codes are 0 done, 1 failed, 2 wrong usage, 3 refused by policy or budget, 130 stopped by Ctrl-C.
             Standard error shows the error, whose rule it is, and what to do.
"""

from __future__ import annotations

from typing import Final

from analytics.errors import (
    AnalyticsError,
    InvalidRequestError,
    OverflowRiskError,
    PlanRejectedError,
    ReleaseRefusedError,
)
from federation.errors import (
    AmendmentRejectedError,
    ApprovalMissingError,
    ConfigError,
    FederationError,
    FoundingRefusedError,
    PolicyRefusedError,
    RequestRejectedError,
    SiteUnavailableError,
)
from privacy_accounting.errors import AccountingError, BudgetExceededError, InvalidCostError
from smpc.errors import PartyLostError, SmpcError

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
REFUSED: Final = 3
STOPPED: Final = 130
OURS: Final = (AnalyticsError, FederationError, AccountingError, SmpcError)
UNIT: Final = 2**40


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
        | FoundingRefusedError,
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
        return "\n".join(map(printable, error.mistakes))
    text = budget_sentence(error) if isinstance(error, BudgetExceededError) else str(error)
    return printable(f"{text}{_spent(error) or _hint(error)}")


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
    """Return what to do, or what was charged before the error; only an error without such a note cost nothing."""
    if notes := getattr(error, "__notes__", None):
        return "; " + "; ".join(map(str, notes))
    if isinstance(error, BudgetExceededError):
        return "; nothing was spent"
    if isinstance(error, SiteUnavailableError):
        return "; nothing was spent. Ask its administrator, or run crossward doctor"
    if isinstance(error, PartyLostError):
        return "; if the ledger shows the charge, it is spent. Run crossward doctor, then ask again"
    if isinstance(error, RequestRejectedError):
        return "; nothing was spent. Compare your consortium file with that site's"
    if isinstance(error, ApprovalMissingError):
        return "; nothing was changed. Its administrator can approve it with crossward ledger approve"
    if isinstance(error, PolicyRefusedError):
        return "; nothing was spent. The rule is in that site's own file"
    return ""


def budget_sentence(error: BudgetExceededError) -> str:
    """Return a refusal by the budget in the units that people use."""
    fits = f"epsilon {error.largest_epsilon} still fits" if error.largest_epsilon else "nothing more fits"
    return (
        f"the {error.sub_budget} budget of {error.population} refuses: requested {error.requested / UNIT:.4f}, "
        f"spent {error.spent / UNIT:.4f}, remaining {error.remaining / UNIT:.4f} (Rényi cost at its order); "
        f"{fits}"
    )
