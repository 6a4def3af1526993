"""What a site says of a request that is not made yet: every reason for which it would refuse it.

Layer:       federation.node.admission.checked_request, below queries and training.
Guarantees:  every check is made, also where an earlier one refuses. Only errors of this project are taken as reasons.
See instead: the decision on a request (``queries``, ``training``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.errors import AnalyticsError
from federation.errors import FederationError
from privacy_accounting.errors import AccountingError
from smpc.errors import PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from analytics.sources import LocalTable

REFUSALS: Final = (AccountingError, AnalyticsError, FederationError, PeerRejectedError)


def _no_scan(_: LocalTable) -> None:
    """Do nothing: there is no plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRequest:
    """The result.

    Attributes:
        refusals: why this site would refuse it, from its request, the agreement, policy, limits and ledger; no row counts.
        table: the table that it scans; None where it cannot be planned.
        scan: what its run does with this site's table.
    """

    refusals: tuple[Exception, ...] = ()
    table: str | None = None
    scan: Callable[[LocalTable], object] = _no_scan


def refusals_of(checks: Iterable[Callable[[], object]]) -> tuple[Exception, ...]:
    """Make every check, and return what they raise.

    Args:
        checks: each raises one of ``REFUSALS``, or nothing.
    """
    found: list[Exception] = []
    for check in checks:
        try:
            check()
        except REFUSALS as error:
            found.append(error)
    return tuple(found)
