"""What a question has spent when it ends before its answer: said by whatever ends it, an error or the analyst's Ctrl-C.

Layer:       federation.client.spending, beside receipt.
Guarantees:  from the moment at which a charge is asked for, whatever ends the question carries a note: that it is
             charged, under which entry and for how much, or that this is not known here. A refusal, which spends
             nothing, carries none; a Ctrl-C before that moment says that nothing was charged.
See instead: what is said at a terminal (``federation.cli.outcome``).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from analytics.errors import AnalyticsError
from federation.errors import FederationError
from federation.protocol.error_codes import InternalFaultError
from privacy_accounting.decimals import rounded_up
from privacy_accounting.errors import AccountingError
from privacy_accounting.ledger.contents import Charge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from privacy_accounting.ledger.entries import Entry

UNIT: Final = 2**40
UNKNOWN: Final = "whether it was charged is not known here: crossward budget says what is spent"
NOTHING: Final = "nothing was charged"
REFUSALS: Final = (AccountingError, AnalyticsError, FederationError)


class Spending:
    """What is known of one charge."""

    def __init__(self) -> None:
        """Begin before a charge is asked for."""
        self._entry: Entry | None = None
        self._is_asked = False

    def asked(self) -> None:
        """From here on the charge is asked for."""
        self._is_asked = True

    def charged(self, entry: Entry) -> None:
        """Take the complete entry: it is spent."""
        self._entry = entry

    def note(self, error: BaseException) -> str:
        """What to say of a question that ends with this error; empty where nothing was spent."""
        if not self._is_asked:
            return NOTHING if isinstance(error, KeyboardInterrupt) else ""
        if self._entry is not None:
            return spent_text(self._entry)
        is_refused = isinstance(error, REFUSALS) and not isinstance(error, InternalFaultError)
        return "" if is_refused else UNKNOWN


@contextmanager
def telling_what_is_spent() -> Iterator[Spending]:
    """Add to whatever ends the block what it has spent."""
    spending = Spending()
    try:
        yield spending
    except BaseException as error:
        note = spending.note(error)
        if note:
            error.add_note(note)
        raise


def spent_text(entry: Entry) -> str:
    """What a complete entry has spent."""
    content, number = entry.body.content, entry.body.number
    if isinstance(content, Charge):
        cost = rounded_up(content.cost / UNIT)
        what = f"{cost} of the {content.sub_budget} budget of {content.asked.population} (Rényi cost at its order)"
    else:
        what = "one exact disclosure"
    return f"the answer is lost, and ledger entry {number} has charged {what}: it stays spent"


def is_spent(error: BaseException) -> bool:
    """Whether an error came after a charge, or may have."""
    return bool(getattr(error, "__notes__", ()))
