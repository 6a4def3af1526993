"""The linkages of one site: which have begun, and which of its patients another site has too.

Layer:       analytics.sources below local_table.
Terms:       a *linkage* is of one table, in its declared version, between this site and one peer.
Guarantees:  each begins once, for ever: the mark is durable before anything is sent, so that no second one follows with
             another set (P18). What is kept holds no identifier: digests under a key of its own, in the order that both sites
             share. Files have mode 0600 in a folder of mode 0700.
See instead: the run (``analytics.linkage``), the entry that discloses it (``privacy_accounting.ledger``).
Source:      ours; docs/guarantees.md P18.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from analytics.errors import ReleaseRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

KEY_BYTES: Final = 32
NAME_BYTES: Final = 16
STARTED: Final = ".started"
KEPT: Final = ".link"
BEGUN: Final = "its patients were linked with this site before, or such a run began: one linkage a pair and table version"


class Identity(Protocol):
    """By whose key a site stands to its set."""

    def sign(self, data: bytes) -> bytes:
        """Sign, 64 bytes."""
        ...

    def has_signed(self, party: str, data: bytes, signature: bytes) -> bool:
        """Whether a site has signed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Linkage:
    """Which linkage, as its site names it.

    Attributes:
        table: the table's name.
        version: its declared version.
        peer: the other site.
    """

    table: str
    version: int
    peer: str

    @property
    def name(self) -> str:
        """The stem of its files; names of tables and sites hold no dot."""
        return f"{self.table}.{self.version}.{self.peer}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLink:
    """What a finished linkage left at this site.

    Attributes:
        session: the run's session, hex: the hash of its ledger entry.
        learns: ``rows`` or ``count``.
        commitment: the peer's, to its set.
        signature: the peer's, of that.
        key: under which ``patients`` are hashed.
        patients: of each common patient 16 bytes, in the order that both sites share; empty where only their number was learnt.
    """

    session: str
    learns: str
    commitment: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    key: bytes = field(repr=False)
    patients: bytes = field(repr=False)

    @classmethod
    def of(
        cls, digests: Sequence[bytes], *, session: str, learns: str, commitment: bytes, signature: bytes
    ) -> KeptLink:
        """Keep the digests of common patients, in their order."""
        key = os.urandom(KEY_BYTES)
        names = b"".join(_name(key, digest) for digest in digests)
        return cls(
            session=session,
            learns=learns,
            commitment=commitment,
            signature=signature,
            key=key,
            patients=names,
        )

    def places(self, digests: Sequence[bytes]) -> npt.NDArray[np.int64]:
        """Where in the common order each of some patients is, -1 for those who are not common.

        Args:
            digests: of this site's patients at present.
        """
        found = {
            self.patients[first : first + NAME_BYTES]: place
            for place, first in enumerate(range(0, len(self.patients), NAME_BYTES))
        }
        return np.array([found.get(_name(self.key, digest), -1) for digest in digests], dtype=np.int64)

    def to_bytes(self) -> bytes:
        """One line of JSON, then the patients."""
        head = {
            "session": self.session,
            "learns": self.learns,
            "commitment": self.commitment.hex(),
            "signature": self.signature.hex(),
            "key": self.key.hex(),
        }
        return json.dumps(head).encode() + b"\n" + self.patients

    @classmethod
    def from_bytes(cls, data: bytes) -> KeptLink:
        """Read what ``to_bytes`` wrote."""
        head, _, patients = data.partition(b"\n")
        read = json.loads(head)
        values = {name: bytes.fromhex(read[name]) for name in ("commitment", "signature", "key")}
        return cls(session=read["session"], learns=read["learns"], patients=patients, **values)


class SiteLinks:
    """One site's linkages. Safe for several threads."""

    def __init__(
        self, *, owner: str, identity: Identity, version: Callable[[str], int], folder: Path | None = None
    ) -> None:
        """Open them.

        Args:
            owner: this site.
            identity: its key.
            version: the declared version of a table, by its name.
            folder: the site's own; None: they are kept in memory.
        """
        self.owner, self.identity = owner, identity
        self._version, self._folder = version, folder
        self._lock = threading.Lock()
        self._memory: dict[str, bytes] = {}

    def linkage(self, table: str, peer: str) -> Linkage:
        """The linkage of a table in its present version with a site."""
        return Linkage(table=table, version=self._version(table), peer=peer)

    def has_begun(self, linkage: Linkage) -> bool:
        """Whether it was begun, finished or not."""
        with self._lock:
            return self._read(linkage.name + STARTED) is not None

    def begin(self, linkage: Linkage) -> None:
        """Mark it begun, durably.

        Raises:
            ReleaseRefusedError: it was begun before.
        """
        with self._lock:
            if self._read(linkage.name + STARTED) is not None:
                raise ReleaseRefusedError(rule="linkage", reason=BEGUN)
            self._write(linkage.name + STARTED, b"")

    def keep(self, linkage: Linkage, link: KeptLink) -> None:
        """Keep what it left, durably."""
        with self._lock:
            self._write(linkage.name + KEPT, link.to_bytes())

    def kept(self, linkage: Linkage) -> KeptLink | None:
        """What it left; None where it has not finished."""
        with self._lock:
            data = self._read(linkage.name + KEPT)
        return None if data is None else KeptLink.from_bytes(data)

    def _read(self, name: str) -> bytes | None:
        if self._folder is None:
            return self._memory.get(name)
        with contextlib.suppress(FileNotFoundError):
            return (self._folder / name).read_bytes()
        return None

    def _write(self, name: str, data: bytes) -> None:
        if self._folder is None:
            self._memory[name] = data
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self._folder / (name + ".new")
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(self._folder / name)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _name(key: bytes, digest: bytes) -> bytes:
    return hashlib.blake2b(digest, key=key, digest_size=NAME_BYTES).digest()
