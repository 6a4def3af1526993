"""One site's rows before there is a schema: the file, table or frame, how it is written, and the view over it.

Layer:       federation.setup.site_rows, above settings and server_rows.
Guarantees:  each mistake names the site, and none holds a value.
See instead: inferring the schema (``infer_schema``), reading rows (``analytics.sources``).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analytics.errors import SchemaMismatchError
from analytics.sources import CellRules, SourceSpec, open_frame, open_table
from analytics.sources.formats import ENDINGS, kind_of, named_source, server_kind_of
from analytics.sources.inspection import inspected
from analytics.sources.spec import DEFAULT_VIEW
from federation.consortium.site_file import SiteTable
from federation.errors import ConfigError
from federation.setup.infer_column import Connection, data_in_header, missing_words
from federation.setup.server_rows import server_spec
from federation.setup.settings import TableSetup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from analytics.schema import Table
    from analytics.sources import LocalTable

OF_SERVERS = ("engine", "password_env", "password_file", "source_version")
LISTS = ("missing", "yes", "no", "dates")
PATHS = ("harmonise", "password_file", "view_definition")
TEXTS = ("delimiter", "quote", "encoding", "view_definition", "decimal", "harmonise", *OF_SERVERS)
_NAMED = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "none": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRows:
    """Rows of one site.

    Attributes:
        site: its name.
        rows: a source, or a pandas frame.
        cells: how texts are written.
        view: one SELECT over ``source``, given by the site's administrator.
        format: the same as keys of the site file.
    """

    site: str
    rows: Any
    cells: CellRules = field(default_factory=CellRules)
    view: str = DEFAULT_VIEW
    format: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name, or the site's."""
        return self.rows.name if isinstance(self.rows, SourceSpec) else self.site

    @contextmanager
    def inspected(self) -> Iterator[Connection]:
        """Open the view's rows as the table ``source``.

        Raises:
            ConfigError: they cannot be read.
        """
        try:
            with inspected(self.rows, name=self.name, view=self.view, cells=self.cells) as connection:
                yield connection
        except SchemaMismatchError as error:
            raise ConfigError(mistakes=[self.of_site(str(error))]) from None

    def open(self, table: Table, view: str, key: bytes) -> LocalTable:
        """Open the clean table, as the site's node will.

        Args:
            table: the schema's.
            view: over ``source``.
            key: the site's secret.

        Raises:
            SchemaMismatchError: the rows do not match the schema.
        """
        if isinstance(self.rows, SourceSpec):
            spec = replace(self.rows, view=view, cells=self.cells)
            return open_table(spec, table, site_key=key, threads=1)
        return open_frame(self.rows, table, site_key=key, view=view, name=self.site, cells=self.cells)

    def setup(self, view: str) -> TableSetup:
        """Describe the file in the site file.

        Args:
            view: over ``source``.
        """
        source = self.rows.path if self.rows.server is None else self.rows.server.url
        return TableSetup(source=source, view=view, table=self.rows.relation or None, format=self.format)

    def with_missing_words(self) -> SiteRows:
        """Add the usual words for "missing" that stand among its numbers.

        Raises:
            ConfigError: the rows cannot be read, or the header row looks like data.
        """
        if isinstance(self.rows, SourceSpec) and self.rows.engine:
            return self  # cells of a table that stays in its server have types, and no words for them
        with self.inspected() as connection:
            if data_in_header(connection):
                reason = "the header row looks like a row of data: it needs the columns' names, as they stand in shared files"
                raise ConfigError(mistakes=[self.of_site(f"{self.name}: {reason}")])
            found = missing_words(connection, self.cells)
        words = tuple(dict.fromkeys((*self.cells.missing, *found)))
        if words == self.cells.missing:
            return self
        cells, keys = replace(self.cells, missing=words), {**self.format, "missing": list(words)}
        return replace(self, cells=cells, format=keys)

    def of_site(self, text: str) -> str:
        """A sentence with the site before it, where it does not begin with the site already."""
        is_named = text.startswith((f"{self.site}:", f"{self.site},"))
        return text if is_named else f"{self.site}: {text}"


def site_rows(site: str, given: Path | str, *, settings: Mapping[str, Any], view: str) -> SiteRows:
    """The rows of a file, or of a table in a server.

    Args:
        site: the site.
        given: a path, ``FILE#TABLE`` for a table in a database or a sheet in a workbook, or ``ADDRESS#SCHEMA.TABLE``.
        settings: keys of the site file that say how it is written, or how the server is reached.
        view: one SELECT over ``source``.

    Raises:
        ConfigError: no such file, kind, server or table, or a setting is wrong.
    """
    if server_kind_of(str(given)) is None:
        return _file_rows(site, Path(given), settings=settings, view=view)
    spec = server_spec(site, str(given), settings)
    return SiteRows(site=site, rows=spec, cells=spec.cells, view=view, format=settings)


def _file_rows(site: str, given: Path, *, settings: Mapping[str, Any], view: str) -> SiteRows:
    path, relation = named_source(str(given))
    path = path.resolve()
    kind = kind_of(path, is_fhir="view_definition" in settings)
    if kind is None:
        raise ConfigError(
            mistakes=[f"{site}: {given} is none of {', '.join(ENDINGS)}; export the table to one of these"]
        )
    if given_keys := [key for key in OF_SERVERS if key in settings]:
        reason = f"{', '.join(given_keys)}: for a server, whose address is the source"
        raise ConfigError(mistakes=[f"{site}: {reason}"])
    try:
        own = SiteTable.model_construct(source=str(path), **settings)
        view_definition = own.definition(Path())
        spec = SourceSpec(
            kind=kind, path=path, relation=relation, view_definition=view_definition, **own.source_format()
        )
        spec.check_file()
        spec = replace(spec, mapping=own.mapping(Path()))
    except SchemaMismatchError as error:
        raise ConfigError(mistakes=[f"{site}: {error}"]) from None
    except ConfigError as error:
        raise ConfigError(mistakes=[f"{site}: {text}" for text in error.mistakes]) from None
    return SiteRows(site=site, rows=spec, cells=spec.cells, view=view, format=settings)


def settings_of(table: SiteTable, folder: Path) -> dict[str, Any]:
    """Return the keys of a site file's table that say how the file is written, with the mapping's whole path.

    Args:
        table: of the site file.
        folder: where the site file lies.
    """
    found = table.model_dump(include={*TEXTS, *LISTS}, exclude_none=True)
    for key in PATHS:
        if key in found:
            found[key] = str((folder / found[key]).resolve())
    return found


def read_settings(texts: list[str], sites: list[str]) -> dict[str, dict[str, Any]]:
    """Read settings such as ``anna.delimiter=;`` or ``missing=NA``, which is for every site.

    Args:
        texts: one a setting; the keys of lists may come again.
        sites: all names.

    Returns:
        Keys of the site file, by site.

    Raises:
        ConfigError: a key or a site is not known.
    """
    found: dict[str, dict[str, Any]] = {site: {} for site in sites}
    mistakes = []
    for text in texts:
        place, is_given, value = text.partition("=")
        site, _, key = place.rpartition(".")
        known = ", ".join(TEXTS + LISTS)
        if is_given and site and site not in found and key in TEXTS + LISTS:
            mistakes.append(f"{place}: there is no site {site} here, only {', '.join(sites)}")
            continue
        if not is_given or key not in TEXTS + LISTS:
            mistakes.append(f"{place}: a setting is KEY=VALUE or SITE.KEY=VALUE, with a key of {known}")
            continue
        for own in [site] if site else sites:
            if key in LISTS:
                found[own].setdefault(key, []).append(value)
            else:
                found[own][key] = str(Path(value).resolve()) if key in PATHS else _NAMED.get(value, value)
    if mistakes:
        raise ConfigError(mistakes=mistakes)
    return found
