"""Every error of the product by its name; ``CrosswardError`` is the base of all of them.

Layer:       crossward.errors, above the errors of all packages.
See instead: their exit codes and remedies on the command line (``federation.cli.outcome``).
"""

from analytics.errors import (
    AnalyticsError,
    InvalidRequestError,
    LocalTimeoutError,
    MappingError,
    OverflowRiskError,
    PlanRejectedError,
    ReleaseRefusedError,
    SchemaError,
    SchemaMismatchError,
    SourceFailedError,
    SourceLostError,
)
from crossward.base_error import CrosswardError
from federation.errors import (
    AmendmentRejectedError,
    ApprovalMissingError,
    CiphertextInvalidError,
    ConfigError,
    FederationError,
    FoundingRefusedError,
    KeyMismatchError,
    PolicyRefusedError,
    RequestHeldError,
    RequestRejectedError,
    SiteBusyError,
    SiteUnavailableError,
    UpdateRejectedError,
)
from federation.protocol.error_codes import InternalFaultError
from privacy_accounting.errors import (
    AccountingError,
    BudgetExceededError,
    ClockDiffersError,
    EntriesArchivedError,
    InvalidCostError,
    LedgerAheadError,
    LedgerForkedError,
    LedgerRefusedError,
    LedgerTamperedError,
)
from smpc.errors import (
    MaterialError,
    MemoryLimitError,
    PartyLostError,
    PeerRejectedError,
    RingRangeError,
    SmpcError,
)

__all__ = [
    "AccountingError",
    "AmendmentRejectedError",
    "AnalyticsError",
    "ApprovalMissingError",
    "BudgetExceededError",
    "CiphertextInvalidError",
    "ClockDiffersError",
    "ConfigError",
    "CrosswardError",
    "EntriesArchivedError",
    "FederationError",
    "FoundingRefusedError",
    "InternalFaultError",
    "InvalidCostError",
    "InvalidRequestError",
    "KeyMismatchError",
    "LedgerAheadError",
    "LedgerForkedError",
    "LedgerRefusedError",
    "LedgerTamperedError",
    "LocalTimeoutError",
    "MappingError",
    "MaterialError",
    "MemoryLimitError",
    "OverflowRiskError",
    "PartyLostError",
    "PeerRejectedError",
    "PlanRejectedError",
    "PolicyRefusedError",
    "ReleaseRefusedError",
    "RequestHeldError",
    "RequestRejectedError",
    "RingRangeError",
    "SchemaError",
    "SchemaMismatchError",
    "SiteBusyError",
    "SiteUnavailableError",
    "SmpcError",
    "SourceFailedError",
    "SourceLostError",
    "UpdateRejectedError",
]
