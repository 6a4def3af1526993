"""What can go wrong between sites, each error by whose fault it is.

Layer:       federation.errors. Imports nothing of the house.
Guarantees:  a message is made from public fields only: names, rules, limits; never a row, share, key or unreleased
             count.
See instead: errors of accounting, secret sharing and analytics (each package has its own root); their form on the
             wire is ``federation.protocol.error_codes``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class FederationError(Exception):
    """Root of the errors of this package."""


class ConfigError(FederationError):
    """A configuration file is wrong; carries every mistake found, not only the first."""

    def __init__(self, *, mistakes: Sequence[str]) -> None:
        """Collect the mistakes, each a sentence that names its place."""
        self.mistakes = list(mistakes)
        lines = "\n".join(f"  - {mistake}" for mistake in self.mistakes)
        super().__init__(f"{len(self.mistakes)} mistake(s) in the configuration:\n{lines}")


class PolicyRefusedError(FederationError):
    """A site's own policy says no; nothing was charged."""

    wire_name: ClassVar[str] = "PolicyRefusedError"

    def __init__(self, *, site: str, rule: str) -> None:
        """Name the site whose rule it is, and the rule with its limit."""
        self.site, self.rule = site, rule
        super().__init__(f"{site} refuses: {rule}")


class SiteUnavailableError(FederationError):
    """A site cannot be reached or is not ready; nothing was charged."""

    wire_name: ClassVar[str] = "SiteUnavailableError"

    def __init__(self, *, site: str, reason: str = "it cannot be reached") -> None:
        """Name the site and what is known without asking it."""
        self.site, self.reason = site, reason
        super().__init__(f"{site} is not available: {reason}")


class SiteBusyError(SiteUnavailableError):
    """A site has no place for one more question now; nothing was charged, and it can be asked again."""

    wire_name: ClassVar[str] = "SiteBusyError"


class RequestRejectedError(FederationError):
    """A request is not what a site will act on: forged, stale, repeated, or not as the configuration says."""

    wire_name: ClassVar[str] = "RequestRejectedError"

    def __init__(self, *, site: str, reason: str) -> None:
        """Name the site that rejected it and why."""
        self.site, self.reason = site, reason
        super().__init__(f"{site} rejects the request: {reason}")


class ApprovalMissingError(FederationError):
    """The administrator of a site has not agreed to a change of the agreement; nothing was changed."""

    wire_name: ClassVar[str] = "ConsentMissingError"

    def __init__(self, *, site: str, motion: str) -> None:
        """Name the site, or all such sites, and the motion's digest (hexadecimal)."""
        self.site, self.motion = site, motion
        super().__init__(f"not agreed to at {site}: motion {motion[:16]}")


class AmendmentRejectedError(FederationError):
    """A change of the agreement cannot be proposed, or means something else by now; nothing was changed."""

    wire_name: ClassVar[str] = "MotionRefusedError"

    def __init__(self, *, reason: str) -> None:
        """Say what stands against it."""
        self.reason = reason
        super().__init__(f"motion refused: {reason}")


class KeyMismatchError(FederationError):
    """A Paillier key is not the one that the plan names, or is not a key to trust."""

    wire_name: ClassVar[str] = "KeyMismatchError"

    def __init__(self, *, reason: str) -> None:
        """Say what does not fit."""
        self.reason = reason
        super().__init__(f"key refused: {reason}")


class CiphertextInvalidError(FederationError):
    """A ciphertext fails a check; it is neither added nor opened."""

    wire_name: ClassVar[str] = "CiphertextInvalidError"

    def __init__(self, *, reason: str, index: int | None = None) -> None:
        """Say which check failed, and at which place of the vector where there is one."""
        self.reason, self.index = reason, index
        place = "" if index is None else f" (ciphertext {index})"
        super().__init__(f"ciphertext refused: {reason}{place}")


class UpdateRejectedError(FederationError):
    """A site's model update is not what the round's plan asks for."""

    wire_name: ClassVar[str] = "UpdateRejectedError"

    def __init__(self, *, site: str, reason: str) -> None:
        """Name the site and what does not fit."""
        self.site, self.reason = site, reason
        super().__init__(f"update of {site} rejected: {reason}")
