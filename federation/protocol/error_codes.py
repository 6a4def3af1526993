"""Errors on the wire: a code and public fields, rebuilt on the other side.

Layer:       federation.protocol.error_codes. Pure.
Guarantees:  only errors of this project cross the wire, with the fields listed here; any other error crosses as
             ``InternalFaultError`` without its text, which stays in the node's own log.
See instead: the meaning of the errors (each package's ``errors``).
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, ClassVar, Final

from analytics import errors as analytics_errors
from federation import errors as federation_errors
from privacy_accounting import errors as accounting_errors
from smpc import errors as smpc_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privacy_accounting.ledger.refusal import Refusal

FieldValue = str | int | float | list[str] | None

_KINDS: Final[tuple[tuple[type[Any], str], ...]] = (
    (
        accounting_errors.BudgetExceededError,
        "requested spent remaining population sub_budget largest_epsilon",
    ),
    (accounting_errors.InvalidCostError, "what reason"),
    (accounting_errors.LedgerForkedError, "site number"),
    (accounting_errors.LedgerRefusedError, "reason"),
    (accounting_errors.EntriesArchivedError, "site number first"),
    (accounting_errors.ClockDiffersError, "site seconds"),
    (accounting_errors.LedgerAheadError, "site number seconds"),
    (accounting_errors.LedgerTamperedError, "first_bad_index reason"),
    (smpc_errors.PartyLostError, "name"),
    (smpc_errors.PeerRejectedError, "reason name"),
    (smpc_errors.RingRangeError, "what"),
    (smpc_errors.MaterialError, "what"),
    (smpc_errors.MemoryLimitError, "needed_bytes limit_bytes"),
    (analytics_errors.PlanRejectedError, "position reason hint"),
    (analytics_errors.InvalidRequestError, "parameter reason"),
    (analytics_errors.OverflowRiskError, "figure bits limit_bits"),
    (analytics_errors.ReleaseRefusedError, "rule reason"),
    (analytics_errors.LocalTimeoutError, "limit_s"),
    (federation_errors.PolicyRefusedError, "site rule"),
    (federation_errors.SiteUnavailableError, "site reason"),
    (federation_errors.SiteBusyError, "site reason"),
    (federation_errors.RequestHeldError, "site reason"),
    (federation_errors.RequestRejectedError, "site reason"),
    (federation_errors.ApprovalMissingError, "site motion"),
    (federation_errors.AmendmentRejectedError, "reason"),
    (federation_errors.KeyMismatchError, "reason"),
    (federation_errors.CiphertextInvalidError, "reason index"),
    (federation_errors.UpdateRejectedError, "site reason"),
)
_CROSSING: Final[Mapping[str, tuple[type[Exception], tuple[str, ...]]]] = {
    kind.wire_name: (kind, tuple(fields.split())) for kind, fields in _KINDS
}
_INTEGERS: Final = frozenset(
    {"requested", "spent", "remaining", "number", "first", "first_bad_index", "bits", "limit_bits", "index"}
    | {"needed_bytes", "limit_bytes", "seconds"}
)
_SECONDS: Final = frozenset({"limit_s"})
_OPTIONAL: Final = frozenset({"largest_epsilon", "index", "hint"})
_LARGEST: Final = 2**63  # the largest integer that a message can carry
_LONGEST_S: Final = 10**9


class InternalFaultError(federation_errors.FederationError):
    """An internal error of a node; its log holds the details."""

    wire_name: ClassVar[str] = "InternalFaultError"

    def __init__(self, *, site: str) -> None:
        """Name the node."""
        self.site = site
        super().__init__(f"internal error at {site}; see the log of that node")


def to_wire(error: BaseException, *, site: str) -> tuple[str, dict[str, FieldValue]]:
    """An error's code and fields.

    Args:
        error: the error raised at this node.
        site: this node, named for an error that does not cross the wire.

    Returns:
        The error's wire name and the public fields.
    """
    code = _wire_name(error)
    if code is None:
        return InternalFaultError.wire_name, {"site": site}
    return code, {name: getattr(error, name) for name in _CROSSING[code][1]}


def is_ours(error: BaseException) -> bool:
    """Whether an error crosses the wire with its own code."""
    return _wire_name(error) is not None


def _wire_name(error: BaseException) -> str | None:
    """The wire code of an error; None when its class states none."""
    code = vars(type(error)).get("wire_name")
    known = _CROSSING.get(code) if isinstance(code, str) else None
    return code if known is not None and type(error) is known[0] else None


def traced(error: BaseException) -> str:
    """An error as text for a log: its type and its place, never its message, which could quote a row (P19).

    Args:
        error: the error.

    Returns:
        The name of the type, then the stack.
    """
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"


def from_wire(code: str, fields: Mapping[str, FieldValue], *, site: str) -> Exception:
    """Rebuild an error on the receiving side.

    Args:
        code: the error's wire name.
        fields: as sent; unknown fields are dropped; a missing field, or one of another type, gives an
            ``InternalFaultError``.
        site: the sender.

    Returns:
        The exception to raise.
    """
    known = _CROSSING.get(code)
    if known is None or not all(name in fields and _fits(name, fields[name]) for name in known[1]):
        return InternalFaultError(site=site)
    return known[0](**{name: fields[name] for name in known[1]})


def _fits(name: str, value: object) -> bool:
    """Whether a field has the type that its error class requires; later code computes with it."""
    if value is None:
        return name in _OPTIONAL
    if name in _INTEGERS:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST
    if name in _SECONDS:
        return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LONGEST_S
    return isinstance(value, str)


def from_refusal(refusal: Refusal, *, site: str) -> Exception:
    """The error behind a signed refusal in the ledger, whose fields are all text.

    Args:
        refusal: as received.
        site: the refusing site.

    Returns:
        The error as raised at the site; an unknown code becomes a ``LedgerRefusedError`` that names the site.
    """
    known = _CROSSING.get(refusal.code)
    if known is None:
        return accounting_errors.LedgerRefusedError(reason=f"{site} refuses: {refusal.code}")
    fields: dict[str, FieldValue] = {}
    for name in known[1]:
        text = refusal.fields.get(name)
        if text is None and name not in _OPTIONAL:
            return accounting_errors.LedgerRefusedError(reason=f"{site} refuses: {refusal.code}")
        fields[name] = text if text is None else _read(name, text)
    return from_wire(refusal.code, fields, site=site)


def _read(name: str, text: str) -> FieldValue:
    """A field from its text; text that is not the required number stays text and fails the later check."""
    try:
        if name in _INTEGERS:
            return int(text)
        return float(text) if name in _SECONDS else text
    except ValueError:
        return text
