"""Errors of the accountant, the budget and the ledger.

Guarantees:  every message is made from fields given by keyword; fields are public parameters and ledger figures only.
See instead: what a refusal looks like on the wire (``federation.protocol.messages``) or on a terminal
             (``federation.cli``).
"""

from __future__ import annotations

from typing import ClassVar, Final

from crossward.base_error import CrosswardError

UNIT: Final = 2**40  # costs are integers of this part of 1


class AccountingError(CrosswardError):
    """Root of the errors of this package."""


class InvalidCostError(AccountingError):
    """An event, a parameter or a target for which no true price exists.

    Attributes:
        what: the parameter or event that is wrong, for example ``gaussian.noise_multiplier``.
        reason: the value it should have had.
    """

    wire_name: ClassVar[str] = "InvalidCostError"

    def __init__(self, *, what: str, reason: str) -> None:
        self.what, self.reason = what, reason
        super().__init__(f"{what}: {reason}")


class BudgetExceededError(AccountingError):
    """A request costs more than its budget still holds; nothing was spent by asking.

    Attributes:
        requested: cost asked for, in units of ``2**-40`` at the budget's order.
        spent: units already spent.
        remaining: units left.
        population: whose budget it is.
        sub_budget: which part of it (query, mining, training).
        largest_epsilon: largest stand-alone epsilon that still fits, as a decimal string; None when nothing
            does.
    """

    wire_name: ClassVar[str] = "BudgetExceededError"

    def __init__(
        self,
        *,
        requested: int,
        spent: int,
        remaining: int,
        population: str,
        sub_budget: str,
        largest_epsilon: str | None = None,
    ) -> None:
        self.requested, self.spent, self.remaining = requested, spent, remaining
        self.population, self.sub_budget, self.largest_epsilon = population, sub_budget, largest_epsilon
        fits = "nothing more fits" if largest_epsilon is None else f"epsilon {largest_epsilon} still fits"
        super().__init__(
            f"the {sub_budget} budget of {population} refuses: requested {requested / UNIT:.4f}, "
            f"spent {spent / UNIT:.4f}, remaining {remaining / UNIT:.4f} (Rényi cost at its order); {fits}"
        )


class LedgerTamperedError(AccountingError):
    """The stored chain differs from what was signed.

    Attributes:
        first_bad_index: number of the first entry that does not verify.
        reason: which check failed.
    """

    wire_name: ClassVar[str] = "LedgerTamperedError"

    def __init__(self, *, first_bad_index: int, reason: str) -> None:
        self.first_bad_index, self.reason = first_bad_index, reason
        super().__init__(f"ledger entry {first_bad_index} does not verify: {reason}")


class LedgerForkedError(AccountingError):
    """Two different complete entries carry one number; nothing may run on either branch.

    Attributes:
        site: the site whose copy differs.
        number: the entry's number.
    """

    wire_name: ClassVar[str] = "LedgerForkedError"

    def __init__(self, *, site: str, number: int) -> None:
        self.site, self.number = site, number
        super().__init__(f"the ledger of site '{site}' holds a different complete entry {number}")


class LedgerRefusedError(AccountingError):
    """A rule of the ledger forbids the entry or the step requested.

    Attributes:
        reason: the rule.
    """

    wire_name: ClassVar[str] = "LedgerRefusedError"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class ClockDiffersError(LedgerRefusedError):
    """A site does not sign an entry whose time its own clock does not confirm.

    Attributes:
        site: whose clock it is.
        seconds: how far that clock is ahead of the entry's time; below 0 where it is behind.
    """

    wire_name: ClassVar[str] = "ClockDiffersError"

    def __init__(self, *, site: str, seconds: int) -> None:
        self.site, self.seconds = site, seconds
        way = "ahead of" if seconds > 0 else "behind"
        super().__init__(
            reason=f"the clock of {site} is {abs(seconds)} s {way} that of the sequencer; "
            "correct the clock that is wrong"
        )


class LedgerAheadError(LedgerRefusedError):
    """The last entry is dated so far ahead of a site's clock that nothing can follow it before that time comes.

    Attributes:
        site: whose clock it is.
        number: the last entry.
        seconds: how far ahead it is dated.
    """

    wire_name: ClassVar[str] = "LedgerAheadError"

    def __init__(self, *, site: str, number: int, seconds: int) -> None:
        self.site, self.number, self.seconds = site, number, seconds
        super().__init__(
            reason=f"entry {number} of the ledger is dated {seconds} s ahead of the clock of {site}: correct that clock if it "
            "is behind; if it is right, all administrators agree to crossward ledger propose correct-clock"
        )


class EntriesArchivedError(LedgerRefusedError):
    """A site was asked for entries that left its ledger for an archive.

    Attributes:
        site: the site that was asked.
        number: the first entry wanted.
        first: the first entry that it still holds.
    """

    wire_name: ClassVar[str] = "EntriesArchivedError"

    def __init__(self, *, site: str, number: int, first: int) -> None:
        self.site, self.number, self.first = site, number, first
        super().__init__(reason=f"entry {number} is in the archive of {site}, whose ledger begins at {first}")
