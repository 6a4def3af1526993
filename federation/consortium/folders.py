"""Paths of a consortium's files on one machine.

Layer:       federation.consortium.folders. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Paths below one folder.

    Attributes:
        root: the consortium's folder.
    """

    root: Path

    @property
    def consortium(self) -> Path:
        """The agreement."""
        return self.root / "consortium.toml"

    @property
    def authority(self) -> Path:
        """Folder of the authority's certificate and key; keep the key offline."""
        return self.root / "authority"

    @property
    def logs(self) -> Path:
        """Folder of the logs, one for each node."""
        return self.root / "logs"

    @property
    def pids(self) -> Path:
        """Folder of the files of running nodes."""
        return self.root / "run"

    def site(self, name: str) -> Path:
        """A site's own file."""
        return self.root / "sites" / name / "site.toml"

    def site_identity(self, name: str) -> Path:
        """A site's certificate and key."""
        return self.root / "sites" / name / f"{name}.pem"

    def ledger(self, name: str) -> Path:
        """A site's replica of the ledger."""
        return self.root / "sites" / name / "state" / "ledger.sqlite"

    def helper(self, name: str) -> Path:
        """Certificate and key of a node that is not a site."""
        return self.root / "helpers" / name / f"{name}.pem"

    def helper_file(self, name: str) -> Path:
        """The file that starts such a node."""
        return self.root / "helpers" / name / f"{name}.toml"

    def analyst(self, name: str) -> Path:
        """An analyst's certificate and key."""
        return self.root / "analysts" / f"{name}.pem"
