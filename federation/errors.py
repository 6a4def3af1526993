"""Errors between sites, each class by whose fault it is.

Layer:       federation.errors, above the base of all errors alone.
Guarantees:  a message holds public fields only (names, rules, limits), never a row, share, key or unreleased count.
See instead: errors of accounting, secret sharing and analytics (each package has its own root); the form of errors on
             the wire (``federation.protocol.error_codes``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from crossward.base_error import CrosswardError

if TYPE_CHECKING:
    from collections.abc import Sequence


class FederationError(CrosswardError):
    """Root of the errors of this package."""


class ConfigError(FederationError):
    """A configuration file is wrong; the error lists every mistake found, not only the first."""

    def __init__(self, *, mistakes: Sequence[str]) -> None:
        """Collect the mistakes, each a sentence that names its place."""
        self.mistakes = list(mistakes)
        lines = "\n".join(f"  - {mistake}" for mistake in self.mistakes)
        super().__init__(f"{len(self.mistakes)} mistake(s) in the configuration:\n{lines}")


class PolicyRefusedError(FederationError):
    """A site's own policy forbids the request; nothing was charged."""

    wire_name: ClassVar[str] = "PolicyRefusedError"

    def __init__(self, *, site: str, rule: str) -> None:
        """Take the site whose rule it is, and the rule with its limit."""
        self.site, self.rule = site, rule
        super().__init__(f"{site} refuses: {rule}")


class SiteUnavailableError(FederationError):
    """A site cannot be reached or is not ready; nothing was charged."""

    wire_name: ClassVar[str] = "SiteUnavailableError"

    def __init__(self, *, site: str, reason: str = "it cannot be reached") -> None:
        """Take the site and the reason, as far as it is known."""
        self.site, self.reason = site, reason
        super().__init__(f"{site} is not available: {reason}")


class SiteBusyError(SiteUnavailableError):
    """A site has no capacity for one more question now; nothing was charged, and the analyst can ask again."""

    wire_name: ClassVar[str] = "SiteBusyError"


class ForkedSessionError(FederationError):
    """A session was used in a forked process, which has its parent's sockets and none of its threads."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "the session was opened in another process, and a fork cannot use it: open a session in this process"
        )


class RequestHeldError(FederationError):
    """A person of a site must look at the request before the site signs it; nothing was charged, ask again later."""

    wire_name: ClassVar[str] = "RequestHeldError"

    def __init__(self, *, site: str, reason: str) -> None:
        """Take the site that waits for a person, and what that person decides."""
        self.site, self.reason = site, reason
        super().__init__(f"{site} holds the request: {reason}")


class RequestRejectedError(FederationError):
    """A site rejects a request: forged, stale, repeated, or made for another configuration."""

    wire_name: ClassVar[str] = "RequestRejectedError"

    def __init__(self, *, site: str, reason: str) -> None:
        """Take the site that rejected the request, and why."""
        self.site, self.reason = site, reason
        super().__init__(f"{site} rejects the request: {reason}")


class ApprovalMissingError(FederationError):
    """The administrator of a site has not approved an amendment; nothing was changed."""

    wire_name: ClassVar[str] = "ConsentMissingError"

    def __init__(self, *, site: str, motion: str) -> None:
        """Take the site, or all such sites, and the amendment's digest (hexadecimal)."""
        self.site, self.motion = site, motion
        super().__init__(f"not approved at {site}: amendment {motion[:16]}")


class AmendmentRejectedError(FederationError):
    """An amendment is invalid or out of date; nothing was changed."""

    wire_name: ClassVar[str] = "MotionRefusedError"

    def __init__(self, *, reason: str) -> None:
        """Take the reason."""
        self.reason = reason
        super().__init__(f"amendment rejected: {reason}")


class RequirementNotMetError(FederationError):
    """A requirement on data quality is not shown by what was released; the question behind it was neither sent nor charged."""

    def __init__(self, *, requirement: str, found: str) -> None:
        """Take the requirements that are not met and, of released figures alone, what was found."""
        self.requirement, self.found = requirement, found
        super().__init__(
            f"the requirement {requirement} is not met: {found}; what it stands before was not asked and cost nothing"
        )


class FoundingRefusedError(FederationError):
    """An invitation, an answer, a draft or a signature of a consortium's founding is refused; nothing was changed."""

    def __init__(self, *, reason: str) -> None:
        """Take the reason."""
        self.reason = reason
        super().__init__(reason)


class KeyMismatchError(FederationError):
    """A Paillier key is not the one that the plan names, or is not safe to use."""

    wire_name: ClassVar[str] = "KeyMismatchError"

    def __init__(self, *, reason: str) -> None:
        """Take the reason."""
        self.reason = reason
        super().__init__(f"key refused: {reason}")


class CiphertextInvalidError(FederationError):
    """A ciphertext fails a check; it is neither added nor decrypted."""

    wire_name: ClassVar[str] = "CiphertextInvalidError"

    def __init__(self, *, reason: str, index: int | None = None) -> None:
        """Take the check that failed, and the ciphertext's index where there is one."""
        self.reason, self.index = reason, index
        place = "" if index is None else f" (ciphertext {index})"
        super().__init__(f"ciphertext refused: {reason}{place}")


class UpdateRejectedError(FederationError):
    """A site's model update does not match the plan of the round."""

    wire_name: ClassVar[str] = "UpdateRejectedError"

    def __init__(self, *, site: str, reason: str) -> None:
        """Take the site and the reason."""
        self.site, self.reason = site, reason
        super().__init__(f"update of {site} rejected: {reason}")
