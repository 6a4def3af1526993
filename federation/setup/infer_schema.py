"""Infers a first schema from one site's rows, for a person to correct.

Layer:       federation.setup.infer_schema, above site_rows, fit and create.
Guarantees:  every inferred column says ``guessed = true``: sites refuse private questions on it until a person has
             checked it (P20). Inferred keys of the table stand in its line ``guessed = [...]``: sites answer nothing
             until a person deletes that line. No bound is a value of the data; all are widened to round numbers.
             Every site's rows are read once against the schema, and all misfits are reported at once.
See instead: inferring one column (``infer_column``), the other sites' rows (``fit``), writing files (``create``).
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit

from analytics.errors import SchemaError
from analytics.schema import Schema
from analytics.sources import SourceSpec
from analytics.sources.cells import NUMBERS
from analytics.sources.spec import DEFAULT_VIEW
from federation.consortium.file_format.file_types import name_mistake
from federation.errors import ConfigError
from federation.setup.create import create_consortium
from federation.setup.fit import check_fit
from federation.setup.infer_column import Guess, column_types, guess_columns, plain_name, round_up
from federation.setup.server_rows import by_catalogue
from federation.setup.settings import ConsortiumSettings, SiteSetup
from federation.setup.site_rows import SiteRows, site_rows
from smpc.computing_sites import COMPUTING_SITES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from federation.consortium.folders import Folders

EPSILON = "4"
SHARES = {"query": "0.75", "training": "0.25"}  # private mining needs a share that a person sets aside
POLICY: Mapping[str, Any] = {
    "exact": False,
    "minimum_cell": 10,
    "exact_requests_per_analyst": 20,
    "exact_numbers_per_population": 50_000,
}
FEWEST_ROWS_MAX = 1_000
HEADROOM = 10
_OTHER_FORM = {"text": "integer", "integer": "text"}
_SCHEMA_HEAD = """\
# What is public about the data, and nothing else. Everything below was guessed from one file: correct it,
# then remove guessed = true from each column that you have looked at; until then private questions on it
# are refused. The line guessed = [...] names keys of the table itself: correct these too, then delete the
# line; until then nothing at all is answered. Bounds come from medical knowledge, never from the data; a
# domain lists every value that may occur. To group by a column it needs a domain or bins = [...]; for exact
# answers it must stand in exact_dimensions. The first start of the nodes fixes all of this file.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessedTable:
    """A table, as inferred from one site's rows.

    Attributes:
        schema: TOML text of the ``[tables.NAME]`` section.
        guesses: the columns that the schema needs.
    """

    schema: str
    guesses: Sequence[Guess]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names in the file of the columns that views need."""
        return tuple(guess.source for guess in self.guesses)

    def view(self, given: str = DEFAULT_VIEW) -> str:
        """One SELECT over ``source`` whose columns have plain names.

        Args:
            given: the site's own view, which then stands inside.
        """
        if given != DEFAULT_VIEW and all(guess.source == guess.name for guess in self.guesses):
            return given
        lines = [
            guess.quoted if guess.source == guess.name else f"{guess.quoted} AS {guess.name}"
            for guess in self.guesses
        ]
        origin = "source" if given == DEFAULT_VIEW else f"(\n{given.strip().rstrip(';')}\n) AS prepared"
        return "SELECT\n  " + ",\n  ".join(lines) + f"\nFROM {origin}"


def init_consortium(
    folder: Path,
    *,
    sites: Mapping[str, Path | str],
    table: str = "patients",
    has_dealer: bool = True,
    tell: Callable[[str], None] = lambda _: None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    views: Mapping[str, str] | None = None,
) -> Folders:
    """Create a consortium on this machine with a schema inferred from the first site's file.

    Visible to: the person who runs it sees all files, and owns them.

    Args:
        folder: the target; must not exist, or be empty.
        sites: each site's file, of any kind that sources have, ``FILE#TABLE`` for a table in a database; or
            ``ADDRESS#SCHEMA.TABLE`` for one in a server.
        table: the table's name in SQL.
        has_dealer: otherwise the first three sites compute without one.
        tell: called with each remark on values of a site outside the inferred schema, with counts and values: they are
            for this person's screen.
        settings: by site, keys of the site file that say how its file is written.
        views: by site, one SELECT over ``source``; a site without one takes the file's columns.

    Returns:
        The paths of all files.

    Raises:
        ConfigError: with every mistake; no file is written then.
    """
    _check_names(sites, table, fewest=2 if has_dealer else COMPUTING_SITES)
    rows = _all_rows(sites, settings or {}, views or {})
    guess = _guessed(rows, table, tell)
    terms = ConsortiumSettings(
        name=plain_name(folder.resolve().name) or "consortium",
        budgets={table: {"epsilon": EPSILON, **{name: {"share": share} for name, share in SHARES.items()}}},
        schema=guess.schema,
        colluding=1,
        helpers=("dealer", "aggregator", "keyholder") if has_dealer else ("aggregator", "keyholder"),
        three_sites=() if has_dealer else tuple(sites)[:COMPUTING_SITES],
    )
    setups = {
        each.site: SiteSetup(
            tables={table: each.setup(guess.view(each.view))},
            policy=POLICY,
        )
        for each in rows
    }
    return create_consortium(folder, terms=terms, sites=setups)


def guess_schema(
    tables: Mapping[str, Any], *, table: str = "patients", view: str = DEFAULT_VIEW
) -> dict[str, Any]:
    """Infer a first schema from the first site's rows, for ``federation.local``.

    Columns say ``guessed``, and the table lists its inferred keys under ``guessed``: private questions are refused until
    a person has checked and removed these marks.

    Visible to: the person who runs it sees all rows. The schema holds category names and rounded bounds of the first
    site's rows.

    Args:
        tables: each site's rows: a pandas frame, a path, or a ``SourceSpec``.
        table: the table's name in SQL.
        view: one SELECT over ``source``, for every site.

    Returns:
        ``{"tables": {table: {...}}}``.

    Raises:
        ConfigError: with every mistake: rows that cannot be read, or do not fit.

    Warns:
        UserWarning: values of a site are outside the schema.
    """
    unchecked: object = tables
    if not isinstance(unchecked, Mapping):
        given = f'each site by its name, such as {{"anna": frame}}, not {type(unchecked).__name__}'
        raise ConfigError(mistakes=[f"give the rows of {given}"])
    if not tables or plain_name(table) != table:
        raise ConfigError(mistakes=["give each site's rows, and a table name of a-z, 0-9 and _"])
    rows = []
    for site, given in tables.items():
        if isinstance(given, Path | str):
            rows.append(site_rows(site, given, settings={}, view=view))
        elif isinstance(given, SourceSpec):
            own = view if given.view == DEFAULT_VIEW else given.view
            rows.append(SiteRows(site=site, rows=given, cells=given.cells, view=own))
        else:
            rows.append(SiteRows(site=site, rows=given, view=view))
    plain = [each.with_missing_words() for each in rows]
    guess = _guessed(plain, table, lambda text: warnings.warn(text, stacklevel=4))
    return dict(tomlkit.parse(guess.schema).unwrap())


def guess_table(rows: SiteRows, table: str, *, n_sites: int | None = None) -> GuessedTable:
    """Infer a table from one site's rows.

    Visible to: the site alone; the result holds category names and rounded bounds.

    Args:
        rows: the site's.
        table: the table's name in SQL.
        n_sites: sites of the consortium; None: not known yet, and a person may have rows at all of them.

    Returns:
        The table.

    Raises:
        ConfigError: the rows cannot be read, or no column can be queried.
    """
    with rows.inspected() as connection:
        n_rows, guesses = guess_columns(connection, rows.cells)
        types = column_types(connection)
    if isinstance(rows.rows, SourceSpec):
        guesses = by_catalogue(rows.rows, rows.view, guesses, rows.site)
        if rows.rows.engine:  # there a text is compared as a text
            guesses = [
                replace(guess, unit_form="text") if types.get(guess.source) not in NUMBERS else guess
                for guess in guesses
            ]
    names = Counter(guess.name for guess in guesses)
    twice = sorted(name for name, count in names.items() if count > 1)
    if twice:
        raise ConfigError(
            mistakes=[rows.of_site(f"{rows.name}: two columns would both be called {name}") for name in twice]
        )
    if not any(guess.body for guess in guesses):
        what = "no column could be guessed" if n_rows else "there is no row to guess a schema from"
        reason = f"{rows.name}: {what}; write the schema by hand"
        raise ConfigError(mistakes=[rows.of_site(reason)])
    return GuessedTable(
        schema=_schema_text(table, guesses, n_rows, n_sites),
        guesses=[guess for guess in guesses if guess.is_kept],
    )


def _guessed(rows: Sequence[SiteRows], table: str, tell: Callable[[str], None]) -> GuessedTable:
    guess = guess_table(rows[0], table, n_sites=len(rows))
    try:
        schema = Schema.from_dict(tomlkit.parse(guess.schema).unwrap())
    except SchemaError as error:
        raise ConfigError(mistakes=[f"guessed schema: {mistake}" for mistake in error.mistakes]) from error
    views = {each.site: guess.view(each.view) for each in rows}
    for remark in check_fit(rows, schema.tables[table], guess.columns, views):
        tell(remark)
    return guess


def _check_names(sites: Mapping[str, Path | str], table: str, *, fewest: int) -> None:
    mistakes = [f"site name {name!r} {mistake}" for name in sites if (mistake := name_mistake(name))]
    if plain_name(table) != table:
        mistakes.append(f"table name {table!r} must start with a letter and hold only a-z, 0-9 and _")
    if len(sites) < fewest:
        what = "three sites: without a dealer three compute" if fewest == COMPUTING_SITES else "two sites"
        mistakes.append(f"a consortium needs at least {what}; give --site NAME=FILE for each")
    if mistakes:
        raise ConfigError(mistakes=mistakes)


def _all_rows(
    sites: Mapping[str, Path | str], settings: Mapping[str, Mapping[str, Any]], views: Mapping[str, str]
) -> list[SiteRows]:
    """Every site's rows, with the words for "missing" that stand among its numbers; all mistakes at once."""
    found: list[SiteRows] = []
    mistakes: list[str] = []
    for site, path in sites.items():
        try:
            view = views.get(site, DEFAULT_VIEW)
            found.append(site_rows(site, path, settings=settings.get(site, {}), view=view))
        except ConfigError as error:
            mistakes += error.mistakes
    plain: list[SiteRows] = []
    for rows in found if not mistakes else ():
        try:
            plain.append(rows.with_missing_words())
        except ConfigError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigError(mistakes=mistakes)
    return plain


def _schema_text(table: str, guesses: Sequence[Guess], n_rows: int, n_sites: int | None) -> str:
    unit = next((guess for guess in guesses if guess.is_unit), None)
    rows_max = max(FEWEST_ROWS_MAX, int(round_up(n_rows * HEADROOM)))
    lines = [
        *_SCHEMA_HEAD.splitlines(),
        f"[tables.{table}]",
        f'population = "{table}"         # whose patients these are; it owns the budget',
    ]
    if unit is None:
        lines += [
            'privacy_unit = "row"            # CHECK: right only if no person has two rows; else name the id',
            "max_rows_per_unit = 1",
        ]
        guessed = ["privacy_unit", "max_rows_per_unit", "rows_max"]
    else:
        lines += [
            f'privacy_unit = "{unit.name}"    # rows of one value are one person\'s',
            f'unit_form = "{unit.unit_form}"           # or "{_OTHER_FORM[unit.unit_form]}"; as integers 007 and 7 are one',
            f"max_rows_per_unit = {unit.rows_per_unit}           # further rows of one person do not count",
        ]
        guessed = ["privacy_unit", "unit_form", "max_rows_per_unit", "rows_max"]
    if n_sites is not None:
        lines.append(
            f"max_sites_per_unit = {n_sites}          # sites that one person may have rows at; "
            "noise and minimum cell grow with it"
        )
    lines += [
        f"rows_max = {rows_max}                # per site; leave space to grow",
        "exact_dimensions = []           # columns that exact WHERE and GROUP BY may use",
        "guessed = ["
        + ", ".join(f'"{key}"' for key in guessed)
        + "]  # CHECK these keys, then delete this line",
        "",
        f"[tables.{table}.columns]",
    ]
    lines += [guess.line() for guess in guesses]
    return "\n".join(lines) + "\n"
