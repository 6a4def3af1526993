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
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    model_validator,
)

from analytics.errors import SchemaError
from analytics.schema import Schema
from federation.consortium.computing_sites import Computation, computation_mistakes
from federation.consortium.file_kinds import CONSORTIUM, expect_kind, mistake_text
from federation.consortium.file_types import Address, Hex32, Model, Name, Number, Positive, Share
from federation.consortium.members_file import MEMBERS_FILE, load_members, read_changes
from federation.errors import ConfigError
from privacy_accounting.ledger.members import Members
from privacy_accounting.ledger.roles import Roles
from smpc.computing_sites import ThreeSites

if TYPE_CHECKING:
    from pathlib import Path

    from privacy_accounting.ledger.members_change import MembersChange

MIN_SITES, MAX_SITES = 2, 8
FILE_NAME = "consortium.toml"
SUB_BUDGETS = ("query", "mining", "training")


def _joint(sites: dict[str, Member]) -> dict[str, Member]:
    if not MIN_SITES <= len(sites) <= MAX_SITES:
        msg = (
            f"a consortium has {MIN_SITES} to {MAX_SITES} sites, not {len(sites)}; "
            "exact answers and training need at least 3"
        )
        raise ValueError(msg)
    return sites


class Member(Model):
    """A node of the consortium: its address and its keys."""

    address: Address
    fingerprint: Hex32 = Field(description="SHA-256 of its certificate (DER), hex")
    public_key: Hex32 = Field(description="Ed25519 key of its certificate, hex; it signs the ledger")


class Helper(Member):
    """A node that is not a site: the dealer, the aggregator, the key holder."""

    name: Name


class Keyholder(Helper):
    """The key holder, and the public key under which sites encrypt every update."""

    paillier_modulus: Annotated[str, Field(pattern=r"^[1-9a-f][0-9a-f]{511,4095}$", description="n, hex")]


class Analyst(Model):
    """A person or program that may ask questions."""

    fingerprint: Hex32
    public_key: Hex32
    cap: Share = Field(
        default=Fraction(1), description="fraction of each sub-budget's allowance that this analyst may spend"
    )


class Auditor(Model):
    """A person or program that may read the ledger, the texts of all requests and the health of nodes, and ask nothing."""

    fingerprint: Hex32
    public_key: Hex32


class SubBudget(Model):
    """A part of a population's budget, with a privacy filter of its own."""

    share: Share
    plan: list[dict[str, Any]] = Field(
        default_factory=lambda: [{"mechanism": "gaussian", "count": 1}], min_length=1
    )


class Budget(Model):
    """The privacy budget of one population, over all analysts, for ever."""

    epsilon: Positive
    delta: Annotated[Number, Field(gt=0, lt=1)] | None = None
    purposes: dict[Name, Share] = Field(
        default_factory=dict, description="caps as fractions; empty: any purpose, no cap"
    )
    query: SubBudget | None = None
    mining: SubBudget | None = None
    training: SubBudget | None = None

    @property
    def parts(self) -> dict[str, SubBudget]:
        """The sub-budgets that are declared, by name."""
        return {name: part for name in SUB_BUDGETS if (part := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _shares_fit(self) -> Budget:
        if sum((part.share for part in self.parts.values()), Fraction(0)) > 1:
            msg = "the shares of query, mining and training add up to more than 1"
            raise ValueError(msg)
        if not self.parts:
            msg = "declares no sub-budget: give at least one of query, mining, training"
            raise ValueError(msg)
        return self


class ConsortiumFile(Model):
    """The agreement; every member holds a copy."""

    version: Literal[1]
    name: Name
    authority: str = Field(description="certificate of the consortium's authority, a path beside this file")
    relation: Literal["add_or_remove_one", "replace_one"] = Field(
        description="neighbouring relation; it has no default"
    )
    colluding: Annotated[int, Field(ge=0, strict=True)]
    delta: Annotated[Number, Field(gt=0, lt=1)]
    minimum_cell: Annotated[int, Field(ge=0, strict=True)] = 10
    sequencer: Name
    deadline_s: Positive = Fraction(30)
    local_limit_s: Positive = Fraction(20)
    sites: Annotated[dict[Name, Member], AfterValidator(_joint)]
    computation: Computation | None = None
    dealer: Helper | None = None
    aggregator: Helper | None = None
    keyholder: Keyholder | None = None
    analysts: dict[Name, Analyst] = Field(min_length=1)
    auditors: dict[Name, Auditor] = Field(default_factory=dict)
    budgets: dict[str, Budget] = Field(min_length=1)
    tables: dict[str, Any] = Field(min_length=1)


M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consortium:
    """A consortium file, read and checked as a whole.

    Attributes:
        file: its content.
        schema: its tables.
        authority_pem: the authority's certificate.
        renewed: the keys of sites that were renewed since, hex, by name; no part of the digest.
        roles: gives the entries that changed the other members since; no part of the digest.
        changes: what entries changed of the sites, as far as ``with_changes`` was given them.
        founding: the file as all signed it, where ``file`` has had sites added, replaced or removed since; else None.
    """

    file: ConsortiumFile
    schema: Schema
    authority_pem: bytes
    renewed: Mapping[str, str] = field(default_factory=dict)
    roles: Callable[[], Roles] = field(default=Roles, repr=False, compare=False)
    changes: tuple[MembersChange, ...] = ()
    founding: ConsortiumFile | None = None
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

    def with_changes(self, changes: Sequence[MembersChange]) -> Consortium:
        """Return the agreement with the sites and keys that entries of the ledger brought; removed sites stay in it.

        Args:
            changes: those of a ledger, in their order.

        Raises:
            ConfigError: the place of a site is malformed.
        """
        found = self
        for change in changes:
            if change.address:
                found = found.with_sites({change.name: entered_site(change)})
            elif change.key:
                found = found.with_keys({change.name: change.key})
        return replace(found, changes=tuple(changes))

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
        for key in ("computation", "auditors"):
            if not getattr(
                self.founded, key
            ):  # an agreement without this key keeps the hash it had before the key existed
                del body[key]
        body["authority"] = hashlib.sha256(self.authority_pem).hexdigest()
        body["tables"] = self.schema.to_dict()
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
    changes, roles = read_changes(load_members(path.parent / MEMBERS_FILE), founded.members, founded.digest())
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
        found += [f"{place}: {mistake}" for mistake in _disagreements(file, schema)]
    if found or file is None or schema is None:
        raise ConfigError(mistakes=found)
    return Consortium(file=file, schema=schema, authority_pem=authority_pem)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; numbers with a point come as decimals.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream, parse_float=Decimal)
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot read {path}: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(mistakes=[f"{path.name} is not TOML: {error}"]) from error


def validated(model: type[M], document: Mapping[str, Any], place: str, mistakes: list[str]) -> M | None:
    """Check a document against a model; add every mistake to the list, with its place."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            where = ".".join(str(part) for part in item["loc"]) or "file"
            mistakes.append(f"{place}: {where}: {mistake_text(item['type'], item['msg'])}")
    return None


def _disagreements(file: ConsortiumFile, schema: Schema | None) -> list[str]:
    found = []
    if file.sequencer not in file.sites:
        found.append(f"sequencer: {file.sequencer} is not one of the sites")
    if file.colluding >= len(file.sites):
        found.append(f"colluding: must be less than the number of sites ({len(file.sites)})")
    if file.computation is not None:
        found += computation_mistakes(
            file.computation,
            sites=file.sites,
            has_dealer=file.dealer is not None,
            colluding=file.colluding,
        )
    helpers = [helper.name for helper in (file.dealer, file.aggregator, file.keyholder) if helper is not None]
    names = [*file.sites, *file.analysts, *file.auditors, *helpers]
    found += [
        f"name {name} is given to more than one member"
        for name in sorted({n for n in names if names.count(n) > 1})
    ]
    if schema is not None:
        populations = {table.population for table in schema.tables.values()}
        found += [
            f"budgets: population {name} has no budget" for name in sorted(populations - set(file.budgets))
        ]
        found += [
            f"budgets: no table belongs to population {name}"
            for name in sorted(set(file.budgets) - populations)
        ]
    return found


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
