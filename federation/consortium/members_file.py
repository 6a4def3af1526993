"""The entries that changed the members, for those who hold no ledger: ``members.json`` beside the consortium file.

Layer:       federation.consortium.members_file, below consortium_file. Reads and writes one file, opens no connection.
Terms:       a *members file* holds, in their order, the complete entries of one ledger that added, replaced or
             removed a site, renewed a site's key, moved the sequencer, changed an analyst, an auditor or a helper, or
             amended the agreement.
Guarantees:  each entry is accepted only with the signatures of all sites that are members with it, by the keys that the
             consortium file and the entries before it give. So no member alone, nor the authority, adds a site or renews
             a key. A file that lacks the last entries is an older state, never another one.
See instead: the ledger itself (``privacy_accounting.ledger.parties.members``), who may be called
             (``federation.identity.certificates.trust_of``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from federation.errors import ConfigError
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.agreements import Agreements
from privacy_accounting.ledger.canonical_json import Fields, decode, encode
from privacy_accounting.ledger.changes.agreement_change import AgreementChange
from privacy_accounting.ledger.changes.members_change import MembersChange
from privacy_accounting.ledger.changes.role_change import RoleChange
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.parties.roles import Roles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from privacy_accounting.ledger.agreements import Amended
    from privacy_accounting.ledger.parties.members import Members

MEMBERS_FILE: Final = "members.json"
MAX_BYTES: Final = 1 << 20
MAX_ENTRY: Final = 1 << 17
_FORMAT: Final = "crossward/members/1"


def write_members(entries: Sequence[Entry]) -> bytes:
    """Write a members file.

    Args:
        entries: those of a ledger that changed the members, in their order.
    """
    texts = [entry.to_bytes().decode("ascii") for entry in entries]
    return encode({"format": _FORMAT, "entries": texts}) + b"\n"


def read_members(data: bytes, founded: Members, chain: str) -> Members:
    """Return the sites after all entries; arguments and errors as ``read_changes``."""
    members = founded
    for change in read_changes(data, founded, chain)[0]:
        members = members.changed(change) if isinstance(change, MembersChange) else members
    return members


def read_changes(
    data: bytes, founded: Members, chain: str
) -> tuple[tuple[MembersChange | Amended, ...], Roles]:
    """Read a members file strictly and check every entry.

    Args:
        data: its bytes; empty where there is no file.
        founded: the members as the consortium file has them.
        chain: the ledger's chain, hex.

    Returns:
        What the entries changed of the sites and of the agreement, in their order, and those that changed other members.

    Raises:
        ConfigError: the bytes are not what ``write_members`` writes, of another consortium, or an entry is not signed by all.
    """
    members, roles, last, sites = founded, Roles(), 0, [founded]
    agreements = Agreements()
    found: list[MembersChange | Amended] = []
    if not data:
        return (), roles
    try:
        fields = Fields(decode(data.removesuffix(b"\n"), limit=MAX_BYTES), "members file")
        if fields.text("format") != _FORMAT:
            raise ConfigError(mistakes=[f"{MEMBERS_FILE}: not a members file"])
        texts = fields.sequence("entries")
        fields.done()
        entries = [Entry.from_bytes(str(text).encode("ascii", "replace")) for text in texts]
        for entry in entries:
            change, number = entry.body.content, entry.body.number
            if entry.body.chain != chain:
                raise ConfigError(mistakes=[f"{MEMBERS_FILE}: of another consortium than the file beside it"])
            if not isinstance(change, MembersChange | RoleChange | AgreementChange) or number <= last:
                raise ConfigError(mistakes=[f"{MEMBERS_FILE}: entry {number} is out of place"])
            members.check_complete(entry)
            last = number
            if isinstance(change, RoleChange):
                roles.check(change, sites=sites, founding=())
                roles = roles.changed(entry)
                continue
            if isinstance(change, AgreementChange):
                agreements.check(change, chain)
                agreements = agreements.changed(entry)
                found.append(agreements.changes[-1])
                continue
            roles.check_site(change)
            members = members.changed(change)
            sites.append(members)
            found.append(change)
    except LedgerRefusedError as error:
        raise ConfigError(mistakes=[f"{MEMBERS_FILE}: {error.reason}"]) from error
    if write_members(entries).removesuffix(b"\n") != data.removesuffix(b"\n"):
        raise ConfigError(mistakes=[f"{MEMBERS_FILE}: not in canonical form"])
    return tuple(found), roles


def load_members(path: Path) -> bytes:
    """Read the members file beside a consortium file; empty where there is none.

    Args:
        path: of the members file.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot read {path}: {error.strerror}"]) from error


def keep_members(path: Path, data: bytes, *, by: str) -> None:
    """Write the members file beside a consortium file, whole, in the place of an earlier one.

    Args:
        path: of the members file.
        data: its bytes.
        by: the member that writes it: those of a rehearsal share the folder.

    Raises:
        ConfigError: the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.{by}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot write {path}: {error.strerror}"]) from error
