"""Where the founder of a consortium keeps its files, beside those that every member keeps.

Layer:       federation.setup.several_machines.founder_folder, below founding.
See instead: a member's own files (``federation.setup.several_machines.joining``), what the founder does with them (``founding``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from federation.consortium.admission.invitations import Invitation
from federation.errors import FoundingRefusedError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FounderFolder:
    """Paths of the founder's files, beside those of a member.

    Attributes:
        root: the founder's folder.
    """

    root: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate and key; take the key offline once the consortium has begun."""
        return self.root / "authority"

    @property
    def terms(self) -> Path:
        """The consortium file without its members, to edit."""
        return self.root / "terms.toml"

    @property
    def draft(self) -> Path:
        """The draft, for all sites to sign."""
        return self.root / "draft.json"

    @property
    def direct(self) -> Path:
        """Certificate and key of the place where answers are taken directly; no member trusts it for anything else."""
        return self.root / "direct.pem"

    def arrived(self, name: str) -> Path:
        """An answer that arrived there and is not admitted yet."""
        return self.root / "arrived" / f"{name}.answer.json"

    def invitation(self, name: str) -> Path:
        """The invitation to send."""
        return self.root / "invitations" / f"{name}.json"

    def admitted(self, name: str) -> Path:
        """A member's answer and certificate."""
        return self.root / "members" / f"{name}.json"

    def admission(self, name: str) -> Path:
        """The admission of a site that joins after the first charge, to send."""
        return self.root / f"{name}.admission.json"

    def invitations(self) -> dict[str, Invitation]:
        """Read every invitation, by name.

        Raises:
            FoundingRefusedError: the folder is not a founder's.
        """
        found = [
            Invitation.from_bytes(path.read_bytes()) for path in (self.root / "invitations").glob("*.json")
        ]
        if not found or not self.terms.is_file():
            raise FoundingRefusedError(reason=f"{self.root} founds no consortium; begin with crossward found")
        return {each.name: each for each in sorted(found, key=lambda each: (each.issued, each.name))}
