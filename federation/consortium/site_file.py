"""One site's own file: its rows, its ledger, its policy and its limits; no other member reads it.

Layer:       federation.consortium.site_file, above consortium_file.
Guarantees:  unknown keys are refused, and all mistakes of both files are reported at once. No message holds a
             password.
See instead: the agreement of all members (``consortium_file``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from analytics.errors import MappingError, SchemaMismatchError
from analytics.sources.formats import kind_of, server_kind_of
from analytics.sources.formats.fhir import FhirFormat, ViewDefinition
from analytics.sources.reports.report import MOST_MISFITS
from analytics.sources.servers.access import ServerAccess
from analytics.sources.spec import DEFAULT_VIEW, CellRules, SourceSpec
from federation.consortium.admission.admissions import ADMISSION_FILE, Admission
from federation.consortium.consortium_file import Consortium, consortium_path, load_consortium
from federation.consortium.file_format.file_kinds import SITE, expect_kind
from federation.consortium.file_format.file_reading import read_toml, validated
from federation.consortium.file_format.file_types import Address, Model, Name, Positive, QualityRules, Share
from federation.consortium.identity_paths import next_identity, next_key
from federation.consortium.ledger_location import LedgerLocation
from federation.consortium.limits import Limits
from federation.errors import ConfigError, FoundingRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.sources.spec import Preparation
    from federation.consortium.consortium_model import Member
    from privacy_accounting.ledger.agreements import Amended
    from privacy_accounting.ledger.changes.members_change import MembersChange

FILE_NAME = "site.toml"


class Policy(Model):
    """A site's own rules, on top of the agreement.

    Training without noise has a key of its own and also needs ``exact``. ``"unguarded"`` permits opening exact sums of any
    model; training rows may be reconstructed from them. ``"guarded"`` is refused until trainings have guards. The permission
    holds for exactly the sites in ``exact_training_members``: when the members change, each site has to renew it.
    """

    exact: bool = False
    site_results: bool = False
    exact_training: Literal[False, "guarded", "unguarded"] = False
    exact_training_members: list[Name] | None = None
    minimum_cell: Annotated[int, Field(ge=0, strict=True)] = 0
    exact_requests_per_analyst: Annotated[int, Field(ge=0, strict=True)] = 20
    exact_numbers_per_population: Annotated[int, Field(ge=0, strict=True)] = 50_000
    largest_epsilon: Positive | None = None
    analysts: list[Name] | None = None
    purposes: list[Name] | None = None
    nested_supports: Literal["guard", "allow"] = "guard"
    require: QualityRules = Field(
        default_factory=dict,
        description="by table, what its data must show before a question or a training over it",
    )
    exact_vertical: bool = False
    linkage: list[Name] = Field(
        default=[],
        description="sites that may learn which patients they share with this one: only those that may know its patient list",
    )


class SiteTable(Model):
    """A table's source file, how it is written, and the view that maps it to the consortium's schema."""

    source: str = Field(min_length=1)
    table: str | None = None
    view: str = DEFAULT_VIEW
    delimiter: str | None = Field(default=None, description="for CSV: between fields; default a comma")
    quote: str | None = Field(default=None, description='for CSV: around fields; default ", empty for none')
    encoding: str | None = Field(default=None, description="for CSV: such as cp1252; default utf-8")
    view_definition: str | None = Field(
        default=None,
        description="for FHIR resources: a ViewDefinition, a JSON file beside this one, that says what the columns are",
    )
    decimal: str | None = Field(default=None, description="decimal sign, . or ,; default .")
    missing: list[str] | None = Field(
        default=None, description="cells that mean no value, besides empty ones"
    )
    yes: list[str] | None = Field(default=None, description="words for true, in any case")
    no: list[str] | None = Field(default=None, description="words for false, in any case")
    dates: list[str] | None = Field(default=None, description='how dates are written, such as "%d.%m.%Y"')
    engine: str | None = Field(
        default=None,
        description='"postgresql" or "spark": the table stays in its server; left out: the node reads it',
    )
    password_env: str | None = Field(
        default=None,
        description="for a server: the environment variable that holds the password, for Spark its token",
    )
    password_file: str | None = Field(
        default=None,
        description="for a server: a file of mode 0600 that holds the password, for Spark its token",
    )
    source_version: str | None = Field(
        default=None,
        description="for a server: what its table's present state is called; while it stays, the typed copy is used",
    )
    harmonise: str | None = Field(
        default=None,
        description="the site's mapping, a TOML file beside this one; it runs before the view (docs/harmonising.md)",
    )
    pictures: str | None = Field(
        default=None,
        description="for a table with pictures: the folder below which their files lie; default the source's own folder",
    )
    most_misfits: Share = Field(
        default=MOST_MISFITS,
        description=(
            "largest share of a column's values that may not be understood; beyond it the source is refused, and doctor "
            "says FIX; the same for values outside the bounds, where doctor alone says FIX"
        ),
    )
    awaited: bool = Field(
        default=False, description="the table may be one that an amendment of the agreement has yet to bring"
    )
    keep_copy: bool = Field(
        default=True, description="keep the clean table in the state folder while the file stays as it is"
    )

    @model_validator(mode="after")
    def _is_a_format(self) -> Self:
        if self.engine and self.harmonise:
            raise ValueError("harmonise: a mapping needs a table that the node reads, without engine")
        try:
            if server_kind_of(self.source) is None:
                self._check_file_keys()
                SourceSpec(kind="csv", path=Path(self.source), **self.source_format())
                if self.view_definition is None and Path(self.source).suffix.lower() in FhirFormat.endings:
                    raise ValueError("view_definition: FHIR resources need one")
            else:
                self._spec(Path(), None)
        except SchemaMismatchError as error:
            raise ValueError(error.reason) from None
        return self

    def _check_file_keys(self) -> None:
        of_servers = ("engine", "password_env", "password_file", "source_version")
        if given := [key for key in of_servers if getattr(self, key) is not None]:
            raise ValueError(f"{', '.join(given)}: for a server, whose address is the source")

    def spec(self, folder: Path) -> SourceSpec | None:
        """The source as the site's node opens it; None where its ending is of no kind.

        Args:
            folder: where the site file lies.

        Raises:
            SchemaMismatchError: its keys do not fit together.
            ConfigError: with every mistake of its mapping.
        """
        return self._spec(folder, self.mapping(folder))

    def _spec(self, folder: Path, mapping: Preparation | None) -> SourceSpec | None:
        how = {
            "view": self.view,
            "relation": self.table or "",
            "mapping": mapping,
            **self.source_format(),
        }
        kind = server_kind_of(self.source)
        if kind is not None:
            if self.view_definition is not None:
                raise SchemaMismatchError(
                    source=self.table or "", reason="view_definition: for files of FHIR resources"
                )
            secret = None if self.password_file is None else folder / self.password_file
            server = ServerAccess(
                url=self.source,
                password_env=self.password_env or "",
                password_file=secret,
                version=self.source_version or "",
            )
            return SourceSpec(kind=kind, server=server, engine=self.engine or "", **how)
        path = folder / self.source
        view = self.definition(folder)
        kind = kind_of(path, is_fhir=view is not None)
        how["view_definition"] = view
        how["pictures"] = None if self.pictures is None else folder / self.pictures
        return None if kind is None else SourceSpec(kind=kind, path=path, **how)

    def source_format(self) -> dict[str, Any]:
        """Keyword arguments of a ``SourceSpec`` that say how the source is written."""
        own = self.model_dump(exclude_none=True)
        cells: dict[str, Any] = {
            key: tuple(own[key]) for key in ("missing", "yes", "no", "dates") if key in own
        }
        if self.decimal is not None:
            cells["decimal"] = self.decimal
        rules = CellRules(most_misfits=self.most_misfits, **cells)
        return {key: own[key] for key in ("delimiter", "quote", "encoding") if key in own} | {"cells": rules}

    def definition(self, folder: Path) -> ViewDefinition | None:
        """Read the ViewDefinition that this table names; None where it names none.

        Args:
            folder: where the site file lies.

        Raises:
            SchemaMismatchError: with every mistake of it.
        """
        return None if self.view_definition is None else ViewDefinition.read(folder / self.view_definition)

    def mapping(self, folder: Path) -> Preparation | None:
        """Read the mapping that this table names; None where it names none.

        Args:
            folder: where the site file lies.

        Raises:
            ConfigError: with every mistake of the mapping.
        """
        if self.harmonise is None:
            return None
        from analytics.harmonise.reading import read_mapping

        try:
            return read_mapping(folder / self.harmonise)
        except MappingError as error:
            raise ConfigError(mistakes=[f"{error.source}: {text}" for text in error.mistakes]) from None


class SiteComputation(Model):
    """The engine that adds and multiplies shares: CrypTen's tensors, or numpy, which needs no torch in memory."""

    engine: Literal["crypten", "numpy"] = "crypten"


class SiteFile(Model):
    """One site's own file; no other member reads it."""

    version: Literal[1]
    consortium: str
    site: Name
    identity: str
    state: str = "state"
    listen: Address | None = Field(
        default=None, description="where to bind, if not at the agreement's address"
    )
    tables: dict[str, SiteTable] = Field(min_length=1)
    policy: Policy = Field(default_factory=Policy)
    ledger: LedgerLocation = Field(default_factory=LedgerLocation)
    limits: Limits = Field(default_factory=Limits)
    computation: SiteComputation = Field(default_factory=SiteComputation)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfig:
    """A site file with its paths resolved.

    Attributes:
        file: the site's own file.
        folder: where it lies.
        consortium: the agreement.
        own_place: of a site that was admitted after the beginning: its address, certificate and key; else None.
    """

    file: SiteFile
    folder: Path
    consortium: Consortium
    own_place: Member | None = None

    def among(self, changes: Sequence[MembersChange | Amended]) -> Consortium:
        """Return the agreement with what entries brought, and with this site's own place while no entry has it.

        Args:
            changes: those of this site's ledger that changed the sites or the agreement, in their order.

        Raises:
            ConfigError: the place of a site is malformed.
        """
        return _with_own(self.consortium.with_changes(changes), self.file.site, self.own_place)

    def under(self, consortium: Consortium) -> SiteConfig:
        """Return this configuration under a later agreement of the same consortium.

        Raises:
            ConfigError: the site file does not give a table that the agreement has.
        """
        mistakes = site_disagreements(self.file, consortium)
        if mistakes:
            raise ConfigError(mistakes=[f"{FILE_NAME}: {mistake}" for mistake in mistakes])
        return replace(self, consortium=consortium)

    @property
    def state(self) -> Path:
        """Folder of the ledger and of the site's secret keys."""
        return self.folder / self.file.state

    @property
    def consents(self) -> Path:
        """Folder of the administrator's approvals."""
        return self.state / "consents"

    @property
    def signed_correction(self) -> Path:
        """Present while this site has signed another agreement and not begun with it: its node signs no charge then."""
        return self.state / "signed-correction"

    @property
    def next_identity(self) -> Path:
        """The certificate and key that this site renews its own with, until all sites have signed that."""
        return next_identity(self.identity)

    @property
    def next_key(self) -> Path:
        """The key of a renewal until it has a certificate."""
        return next_key(self.identity)

    @property
    def identity(self) -> Path:
        """The site's certificate and key."""
        return self.folder / self.file.identity


def load_site(path: Path) -> SiteConfig:
    """Read a site file and the consortium file that it names.

    Args:
        path: the TOML file, or the folder that holds ``site.toml``.

    Returns:
        The site's configuration.

    Raises:
        ConfigError: with every mistake found in both files.
    """
    path = path / FILE_NAME if path.is_dir() else path
    document = read_toml(path)
    expect_kind(document, SITE, path.name)
    found: list[str] = []
    file = validated(SiteFile, document, path.name, found)
    consortium: Consortium | None = None
    named = document.get("consortium")
    own_place: Member | None = None
    if isinstance(named, str):
        try:
            consortium = load_consortium(path.parent / named)
            if file is not None:
                own_place = _own_place(path.parent / named, file.site, consortium)
                consortium = _with_own(consortium, file.site, own_place)
        except ConfigError as error:
            found += error.mistakes
    if file is not None and consortium is not None:
        found += [f"{path.name}: {mistake}" for mistake in site_disagreements(file, consortium)]
    if found or file is None or consortium is None:
        raise ConfigError(mistakes=found)
    return SiteConfig(file=file, folder=path.parent, consortium=consortium, own_place=own_place)


def _own_place(named: Path, site: str, consortium: Consortium) -> Member | None:
    """Read the admission beside a consortium file: the place of a site that joined after the beginning.

    Raises:
        ConfigError: the file cannot be read, does not hold, or is of another site or consortium.
    """
    path = consortium_path(named).with_name(ADMISSION_FILE)
    if not path.exists():
        return None
    try:
        admitted = Admission.from_bytes(path.read_bytes()).check()
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot read {path}: {error.strerror}"]) from error
    except FoundingRefusedError as error:
        raise ConfigError(mistakes=[f"{path.name}: {error.reason}"]) from error
    if (admitted.name, admitted.consortium.digest()) != (site, consortium.digest()):
        raise ConfigError(mistakes=[f"{path.name}: of {admitted.name}, or of another consortium"])
    return admitted.member


def _with_own(consortium: Consortium, site: str, place: Member | None) -> Consortium:
    known = consortium.file.sites.get(site)
    if place is None or (known is not None and known.fingerprint == place.fingerprint):
        return consortium
    return consortium.with_sites({site: place})


def site_disagreements(file: SiteFile, consortium: Consortium) -> list[str]:
    """Name what a site file lacks of an agreement, or has beyond it."""
    found = []
    if file.site not in consortium.file.sites:
        found.append(f"site: {file.site} is not a site of the consortium {consortium.file.name}")
    wanted = set(consortium.schema.tables)
    given = {name for name, table in file.tables.items() if not table.awaited or name in wanted}
    found += [f"tables: {name} is missing" for name in sorted(wanted - given)]
    found += [f"tables: {name} is not in the consortium's schema" for name in sorted(given - wanted)]
    return found
