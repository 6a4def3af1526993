"""What a site's administrator has approved: without it the site signs no amendment.

Layer:       federation.consortium.amending.administrator_approvals, above amendments. Reads and writes files of the site's state
             folder.
Guarantees:  a site signs a change only while it holds the approval of exactly these bytes. An approval is durable when
             ``agree`` returns, and can be withdrawn until the site signs the entry.
See instead: the amendments themselves (``federation.consortium.amending.amendments``).
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from federation.consortium.amending.amendments import Amendment
from federation.errors import AmendmentRejectedError, ApprovalMissingError, ConfigError
from privacy_accounting.ledger.contents import Change

if TYPE_CHECKING:
    from pathlib import Path

    from federation.consortium.consortium_model import Member
    from privacy_accounting.ledger.entries import Body
    from privacy_accounting.ledger.state import ChainState


class Approvals:
    """What this site's administrator has approved: one file each, named after the amendment's digest."""

    def __init__(self, folder: Path) -> None:
        """Use a folder below the site's state; only the administrator can write there."""
        self._folder = folder

    def agree(self, amendment: Amendment) -> None:
        """Approve, durably; a second approval changes nothing.

        Raises:
            ConfigError: the folder cannot be written.
        """
        path = self._path(amendment)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial = path.with_suffix(".partial")
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(amendment.to_bytes())
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(path)
            self._sync()
        except OSError as error:
            raise ConfigError(mistakes=[f"cannot write {path}: {error.strerror}"]) from error

    def revoke(self, amendment: Amendment) -> bool:
        """Withdraw an approval, durably; return whether there was one.

        Raises:
            ConfigError: the folder cannot be written.
        """
        path = self._path(amendment)
        try:
            path.unlink()
            self._sync()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise ConfigError(mistakes=[f"cannot remove {path}: {error.strerror}"]) from error
        return True

    def holds(self, amendment: Amendment) -> bool:
        """Whether the administrator has approved exactly this amendment."""
        try:
            return self._path(amendment).read_bytes() == amendment.to_bytes()
        except OSError:
            return False

    def all(self) -> list[Amendment]:
        """List all approvals that were not withdrawn, old ones too."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            with contextlib.suppress(OSError, AmendmentRejectedError):
                found.append(Amendment.from_bytes(path.read_bytes()))
        return found

    def awaited_sites(self, state: ChainState) -> dict[str, Member]:
        """Give the sites that approved amendments add or replace and that no entry has yet: this site connects to them.

        Args:
            state: the site's ledger.

        Returns:
            The place of each, by name; of a name with two such approvals none, until one of them is withdrawn.
        """
        found: dict[str, list[Member]] = {}
        for amendment in self.all():
            with contextlib.suppress(AmendmentRejectedError, ConfigError):
                amendment.check_fits(state)
                name, place = "".join(amendment.renews[:1]), amendment.site
                if place is not None:
                    found.setdefault(name, []).append(place)
        return {name: places[0] for name, places in found.items() if len(places) == 1}

    def check(self, body: Body, state: ChainState, *, site: str) -> None:
        """Refuse to sign a change that the administrator has not approved.

        Args:
            body: the body to sign; other kinds pass.
            state: the site's ledger before it.
            site: this site's name.

        Raises:
            ApprovalMissingError: there is no approval of exactly this change on this basis.
        """
        if not isinstance(body.content, Change):
            return
        amendment = Amendment(chain=body.chain, basis=state.basis_of(body.content), content=body.content)
        if not self.holds(amendment):
            raise ApprovalMissingError(site=site, motion=amendment.digest)

    def _path(self, amendment: Amendment) -> Path:
        return self._folder / f"{amendment.digest}.json"

    def _sync(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
