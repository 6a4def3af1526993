"""Notes on an error, or on the analyst's Ctrl-C, what a question without an answer has spent.

Layer:       federation.client.spending, beside session.
Guarantees:  once the client has requested a charge, the error that ends the question carries a note: the charge with
             its entry and price, or that the client does not know whether it was made. A refusal spends nothing and
             carries no note; a Ctrl-C before the request notes that nothing was charged.
See instead: the text on a terminal (``federation.cli.outcome``).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from analytics.errors import AnalyticsError
from federation.errors import FederationError
from federation.protocol.error_codes import InternalFaultError
from privacy_accounting.decimals import rounded_up
from privacy_accounting.errors import UNIT, AccountingError
from privacy_accounting.ledger.contents import Charge
from privacy_accounting.ledger.entries import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

UNKNOWN: Final = "this client does not know whether it was charged: crossward budget shows what is spent"
NOTHING: Final = "nothing was charged"
REFUSALS: Final = (AccountingError, AnalyticsError, FederationError)


class Spending:
    """The known state of one charge."""

    def __init__(self) -> None:
        """Begin before the client requests a charge."""
        self._entry: Entry | None = None
        self._is_asked = False

    def asked(self) -> None:
        """Note that the client requests the charge."""
        self._is_asked = True

    def charged(self, entry: bytes) -> None:
        """Take the complete entry: it is spent."""
        self._entry = Entry.from_bytes(entry)

    def note(self, error: BaseException) -> str:
        """Return the note for a question that ends with this error; empty where nothing was spent."""
        if not self._is_asked:
            return NOTHING if isinstance(error, KeyboardInterrupt) else ""
        if self._entry is not None:
            return spent_text(self._entry)
        return "" if is_refusal(error) else UNKNOWN


def is_refusal(error: BaseException) -> bool:
    """Whether the error is a decision of a site, after which nothing is charged."""
    return isinstance(error, REFUSALS) and not isinstance(error, InternalFaultError)


@contextmanager
def noting_what_is_spent() -> Iterator[Spending]:
    """Add a note to any error that ends the block: what the question has spent."""
    spending = Spending()
    try:
        yield spending
    except BaseException as error:
        note = spending.note(error)
        if note:
            error.add_note(note)
        raise


def spent_text(entry: Entry) -> str:
    """Describe the charge of a complete entry."""
    content, number = entry.body.content, entry.body.number
    if isinstance(content, Charge):
        cost = rounded_up(content.cost / UNIT)
        what = f"{cost} of the {content.sub_budget} budget of {content.asked.population} (Rényi cost at its order)"
    else:
        what = "one exact disclosure"
    return f"the answer is lost, and ledger entry {number} has charged {what}: it stays spent"


def is_spent(error: BaseException) -> bool:
    """Whether the error came after a charge, or may have."""
    return bool(getattr(error, "__notes__", ()))
