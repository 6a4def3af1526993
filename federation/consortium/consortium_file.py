"""The consortium file: the agreement that every member holds, the same everywhere.

Layer:       federation.consortium.consortium_file. Reads files, opens no connection.
Guarantees:  unknown keys are refused and all mistakes are reported at once. Equal agreements have equal digests on
             every machine, whatever the file's layout.
See instead: a site's own file (``federation.consortium.site_file``), certificates and keys
             (``federation.identity.certificates``), tables (``analytics.schema``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from analytics.errors import SchemaError
from analytics.schema import Schema
from federation.consortium.agreement_terms import AgreementTerms
from federation.consortium.consortium_model import ConsortiumFile, Member
from federation.consortium.disagreements import disagreements
from federation.consortium.file_format.file_kinds import CONSORTIUM, expect_kind
from federation.consortium.file_format.file_reading import read_toml, validated
from federation.consortium.members_file import MEMBERS_FILE, load_members, read_changes
from federation.errors import ConfigError
from privacy_accounting.ledger.agreements import Amended
from privacy_accounting.ledger.parties.members import Members
from privacy_accounting.ledger.parties.roles import Roles
from smpc.computing_sites import ThreeSites

if TYPE_CHECKING:
    from pathlib import Path

    from privacy_accounting.ledger.changes.members_change import MembersChange

FILE_NAME = "consortium.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consortium:
    """A consortium file, read and checked as a whole.

    Attributes:
        file: its content.
        schema: its tables.
        authority_pem: the authority's certificate.
        renewed: the keys of sites that were renewed since, hex, by name; no part of the digest.
        roles: gives the entries that changed the other members since; no part of the digest.
        changes: what entries changed of the sites and of the agreement, as far as ``with_changes`` was given them.
        founding: the file as all signed it, where ``file`` is another one since; else None.
        founding_schema: its tables, where ``schema`` has others since; else None.
    """

    file: ConsortiumFile
    schema: Schema
    authority_pem: bytes
    renewed: Mapping[str, str] = field(default_factory=dict)
    roles: Callable[[], Roles] = field(default=Roles, repr=False, compare=False)
    changes: tuple[MembersChange | Amended, ...] = ()
    founding: ConsortiumFile | None = None
    founding_schema: Schema | None = None
    _digest: str = field(default="", repr=False, compare=False)

    def __post_init__(self) -> None:
        """Hash the agreement once; the digest stays the same when members leave (``federation.consortium.membership``)."""
        if self._digest:
            return
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        digest = hashlib.sha256(b"crossward/consortium/1\n" + text.encode()).hexdigest()
        object.__setattr__(self, "_digest", digest)

    @property
    def founded(self) -> ConsortiumFile:
        """The file as all signed it: the digest and the ledger's first entry follow from it."""
        return self.founding or self.file

    @property
    def members(self) -> Members:
        """The members as the file had them when all signed it."""
        keys = {name: member.public_key for name, member in self.founded.sites.items()}
        return Members(keys=keys, sequencer=self.founded.sequencer)

    def with_sites(self, sites: Mapping[str, Member]) -> Consortium:
        """Return the agreement with further sites, or with others in the place of those of a name; the digest stays.

        Args:
            sites: address, certificate and key, by name.
        """
        file = self.file.model_copy(update={"sites": {**self.file.sites, **sites}})
        renewed = {name: key for name, key in self.renewed.items() if name not in sites}
        return replace(self, file=file, renewed=renewed, founding=self.founded)

    def with_changes(self, changes: Sequence[MembersChange | Amended]) -> Consortium:
        """Return the agreement with what entries of the ledger brought: sites, keys, terms; removed sites stay in it.

        Args:
            changes: those of a ledger, in their order.

        Raises:
            ConfigError: the place of a site is malformed, or terms do not follow those before them.
        """
        found = self
        for change in changes:
            if isinstance(change, Amended):
                found = found if change in self.changes else found.amended(change)
            elif change.address:
                found = found.with_sites({change.name: entered_site(change)})
            elif change.key:
                found = found.with_keys({change.name: change.key})
        known = self.changes if self.changes[: len(changes)] == tuple(changes) else tuple(changes)
        return replace(found, changes=known)

    def amended(self, step: Amended) -> Consortium:
        """Return the agreement with the terms of one more entry; the founding digest stays.

        Raises:
            ConfigError: the terms are malformed, narrower, or not made on the agreement in force.
        """
        if step.change.before != self.configuration():
            raise ConfigError(
                mistakes=[f"entry {step.number}: its terms are not made on the agreement in force before it"]
            )
        terms = AgreementTerms.from_text(step.change.terms)
        schema, cell = terms.applied(self.schema, self.file.minimum_cell)
        floor = terms.floor_after(self.file.floor)
        if (schema, cell, floor) == (self.schema, self.file.minimum_cell, self.file.floor):
            raise ConfigError(mistakes=["terms: they change nothing"])
        file = self.file.model_copy(update={"minimum_cell": cell, "floor": floor})
        mistakes = disagreements(self.founded.model_copy(update={"floor": floor}), schema)
        if mistakes:
            raise ConfigError(mistakes=[f"terms: {mistake}" for mistake in mistakes])
        return replace(
            self,
            file=file,
            schema=schema,
            changes=(*self.changes, step),
            founding=self.founded,
            founding_schema=self.founding_schema or self.schema,
        )

    @property
    def amendments(self) -> tuple[Amended, ...]:
        """The changes of the agreement that hold, in their order."""
        return tuple(change for change in self.changes if isinstance(change, Amended))

    def configuration(self) -> str:
        """Digest of the agreement in force, hex: the founding digest where no entry changed the agreement."""
        amendments = self.amendments
        return amendments[-1].change.after if amendments else self.digest()

    def as_founded(self) -> Consortium:
        """Return the agreement as all signed it first, without what entries brought."""
        schema = self.founding_schema or self.schema
        return replace(
            self,
            file=self.founded,
            schema=schema,
            renewed={},
            changes=(),
            founding=None,
            founding_schema=None,
        )

    def with_keys(self, keys: Mapping[str, str]) -> Consortium:
        """Return the agreement with the sites' keys as the ledger has them; the digest stays.

        Args:
            keys: Ed25519 keys, hex, by name; those equal to the file's, and of sites that it does not name, say nothing.
        """
        sites = self.file.sites
        newer = {name: key for name, key in keys.items() if name in sites and key != sites[name].public_key}
        return replace(self, renewed={**self.renewed, **newer})

    @property
    def site_keys(self) -> dict[str, str]:
        """Each site's Ed25519 key, hex: the renewed one where the file's was renewed."""
        return {name: self.renewed.get(name, member.public_key) for name, member in self.file.sites.items()}

    def canonical(self) -> dict[str, Any]:
        """What the digest covers, as plain data: numbers as texts, the authority as its hash."""
        body = self.founded.model_dump(exclude={"authority", "tables"})
        for key in ("computation", "auditors", "floor"):
            if not getattr(
                self.founded, key
            ):  # an agreement without this key keeps the hash it had before the key existed
                del body[key]
        if body.get("floor") and not body["floor"]["require"]:
            del body["floor"]["require"]
        if body["keyholder"] is not None and not body["keyholder"]["paillier_base"]:
            del body["keyholder"]["paillier_base"]
        body["authority"] = hashlib.sha256(self.authority_pem).hexdigest()
        body["tables"] = (self.founding_schema or self.schema).to_dict()
        plain: dict[str, Any] = _plain(body)
        return plain

    @property
    def names(self) -> tuple[str, ...]:
        """The sites in rank order, the same everywhere."""
        return tuple(sorted(self.file.sites))

    @property
    def three_sites(self) -> ThreeSites | None:
        """The sites that compute without a dealer, where the agreement names them."""
        computation = self.file.computation
        return None if computation is None else ThreeSites.of(computation.sites)

    def digest(self) -> str:
        """SHA-256 of the agreement in canonical form, hex."""
        return self._digest

    def delta_of(self, population: str) -> Fraction:
        """Return the population's own delta, or the consortium's."""
        return self.file.budgets[population].delta or self.file.delta


def entered_site(change: MembersChange) -> Member:
    """Return the site that an entry added or replaced.

    Args:
        change: with the site's place.

    Raises:
        ConfigError: its address is malformed.
    """
    place = {"address": change.address, "fingerprint": change.fingerprint, "public_key": change.key}
    mistakes: list[str] = []
    member = validated(Member, place, f"site {change.name}", mistakes)
    if member is None:
        raise ConfigError(mistakes=mistakes)
    return member


def consortium_path(given: Path) -> Path:
    """Return the consortium file: the path itself, or ``consortium.toml`` in a folder.

    A site's folder has ``site.toml`` instead, which names the consortium file.
    """
    if not given.is_dir():
        return given
    own, site = given / FILE_NAME, given / "site.toml"
    if own.exists() or not site.is_file():
        return own
    named = read_toml(site).get("consortium")
    return given / named if isinstance(named, str) else own


def load_consortium(path: Path) -> Consortium:
    """Read a consortium file.

    Args:
        path: the TOML file, or the folder that holds ``consortium.toml``; the authority's certificate lies where
            ``authority`` says, beside it.

    Returns:
        The checked agreement, with the sites and keys that the entries of ``members.json`` beside it brought.

    Raises:
        ConfigError: with every mistake found.
    """
    path = consortium_path(path)
    document = read_toml(path)
    expect_kind(document, CONSORTIUM, path.name)
    authority = document.get("authority")
    pem = b""
    mistakes: list[str] = []
    if isinstance(authority, str):
        try:
            pem = (path.parent / authority).read_bytes()
        except OSError as error:
            mistakes.append(f"{path.name}: authority: cannot read {authority}: {error.strerror}")
    founded = consortium_from_dict(document, authority_pem=pem, place=path.name, mistakes=mistakes)
    return with_members(founded, load_members(path.parent / MEMBERS_FILE))


def with_members(founded: Consortium, data: bytes) -> Consortium:
    """Return an agreement with the entries of a members file.

    Args:
        founded: as its file states it.
        data: the members file's bytes; empty where there is none.

    Raises:
        ConfigError: the members file is not valid, an entry is not signed by all, or brings what cannot be.
    """
    changes, roles = read_changes(data, founded.members, founded.digest())
    return replace(founded.with_changes(changes), roles=roles.present)


def consortium_from_dict(
    document: Mapping[str, Any],
    *,
    authority_pem: bytes,
    place: str = "consortium",
    mistakes: list[str] | None = None,
) -> Consortium:
    """Check a consortium given as plain data, as ``load_consortium`` does for a file.

    Args:
        document: the shape of a consortium file.
        authority_pem: the authority's certificate; empty for a consortium in one process.
        place: file name for the mistakes.
        mistakes: mistakes found before.

    Returns:
        The checked agreement.

    Raises:
        ConfigError: with every mistake found.
    """
    found = list(mistakes or [])
    schema: Schema | None = None
    try:
        schema = Schema.from_dict({"tables": document.get("tables", {})})
    except SchemaError as error:
        found += [f"{place}: {mistake}" for mistake in error.mistakes]
    file = validated(ConsortiumFile, document, place, found)
    if file is not None:
        found += [f"{place}: {mistake}" for mistake in disagreements(file, schema)]
    if found or file is None or schema is None:
        raise ConfigError(mistakes=found)
    return Consortium(file=file, schema=schema, authority_pem=authority_pem)


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, Decimal):
        return str(Fraction(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
