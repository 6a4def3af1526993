"""Infers a first schema from one file, for a person to correct.

Layer:       federation.setup.infer_schema, above infer_column and create.
Guarantees:  every inferred column says ``guessed = true``: sites refuse private questions on it until a person has
             checked it (P20). Inferred keys of the table stand in its line ``guessed = [...]``: sites answer nothing
             until a person deletes that line. No bound is a value of the data; all are widened to round numbers.
             Every site's file is read once against the schema, and all misfits are reported at once.
See instead: inferring one column (``infer_column``), writing files (``create``).
"""

from __future__ import annotations

import secrets
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tomlkit

from analytics.errors import SchemaError, SchemaMismatchError
from analytics.schema import Schema
from analytics.sources import SourceSpec, open_table
from analytics.sources.loading import connect, load, shut
from federation.consortium.consortium_file import name_mistake
from federation.errors import ConfigError
from federation.node.site_process import KINDS
from federation.setup.create import create_consortium
from federation.setup.infer_column import Connection, Guess, column_types, guess_columns, plain_name, round_up
from federation.setup.settings import ConsortiumSettings, SiteSetup, TableSetup
from smpc.computing_sites import COMPUTING_SITES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from federation.consortium.folders import Folders

EPSILON = "4"
SHARES = {"query": "0.75", "training": "0.25"}  # mining is answered without noise alone: it spends none
POLICY: Mapping[str, Any] = {
    "exact": False,
    "minimum_cell": 10,
    "exact_requests_per_analyst": 20,
    "exact_numbers_per_population": 50_000,
}
FEWEST_ROWS_MAX = 1_000
HEADROOM = 10
KEY_BYTES = 32
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
    """A table, as inferred from one file.

    Attributes:
        view: one SELECT over ``source`` whose columns have plain names.
        schema: TOML text of the ``[tables.NAME]`` section.
        columns: names in the file of the columns that the view needs.
    """

    view: str
    schema: str
    columns: Sequence[str]


def init_consortium(
    folder: Path,
    *,
    sites: Mapping[str, Path],
    table: str = "patients",
    has_dealer: bool = True,
    tell: Callable[[str], None] = lambda _: None,
) -> Folders:
    """Create a consortium on this machine with a schema inferred from the first site's file.

    Visible to: the person who runs it sees all files, and owns them.

    Args:
        folder: the target; must not exist, or be empty.
        sites: each site's CSV, Parquet or DuckDB file; ``FILE.duckdb#TABLE`` names the table in a database.
        table: the table's name in SQL.
        has_dealer: otherwise the first three sites compute without one.
        tell: called with each remark on values of a site outside the inferred schema, with counts.

    Returns:
        The paths of all files.

    Raises:
        ConfigError: with every mistake; no file is written then.
    """
    _check_names(sites, table, fewest=2 if has_dealer else COMPUTING_SITES)
    specs = specs_of(sites)
    guess = guess_table(next(iter(specs.values())), table)
    for remark in _check_fit(specs, guess, table):
        tell(remark)
    terms = ConsortiumSettings(
        name=plain_name(folder.resolve().name) or "consortium",
        budgets={table: {"epsilon": EPSILON, **{name: {"share": share} for name, share in SHARES.items()}}},
        schema=guess.schema,
        colluding=1,
        helpers=("dealer", "aggregator", "keyholder") if has_dealer else ("aggregator", "keyholder"),
        three_sites=() if has_dealer else tuple(sites)[:COMPUTING_SITES],
    )
    setups = {
        name: SiteSetup(
            tables={table: TableSetup(source=spec.path, view=guess.view, table=spec.relation or None)},
            policy=POLICY,
        )
        for name, spec in specs.items()
    }
    return create_consortium(folder, terms=terms, sites=setups)


def guess_table(spec: SourceSpec, table: str) -> GuessedTable:
    """Infer a table from one file.

    Visible to: the site alone; the result holds category names and rounded bounds.

    Args:
        spec: the file.
        table: the table's name in SQL.

    Returns:
        View and schema.

    Raises:
        ConfigError: the file cannot be read, or no column can be queried.
    """
    with _loaded(spec) as connection:
        n_rows, guesses = guess_columns(connection)
    names = Counter(guess.name for guess in guesses)
    twice = sorted(name for name, count in names.items() if count > 1)
    if twice:
        raise ConfigError(
            mistakes=[f"{spec.name}: two columns would both be called {name}" for name in twice]
        )
    if not any(guess.body for guess in guesses):
        raise ConfigError(mistakes=[f"{spec.name}: no column could be guessed; write the schema by hand"])
    return GuessedTable(
        view=_view(guesses),
        schema=_schema_text(table, guesses, n_rows),
        columns=tuple(guess.source for guess in guesses if guess.is_kept),
    )


@contextmanager
def _loaded(spec: SourceSpec) -> Iterator[Connection]:
    connection = connect(1)
    try:
        load(connection, spec)
        shut(connection)
        yield connection
    except SchemaMismatchError as error:
        raise ConfigError(mistakes=[str(error)]) from error
    finally:
        connection.close()


def _check_names(sites: Mapping[str, Path], table: str, *, fewest: int) -> None:
    mistakes = [f"site name {name!r} {mistake}" for name in sites if (mistake := name_mistake(name))]
    if plain_name(table) != table:
        mistakes.append(f"table name {table!r} must start with a letter and hold only a-z, 0-9 and _")
    if len(sites) < fewest:
        what = "three sites: without a dealer three compute" if fewest == COMPUTING_SITES else "two sites"
        mistakes.append(f"a consortium needs at least {what}; give --site NAME=FILE for each")
    if mistakes:
        raise ConfigError(mistakes=mistakes)


def specs_of(sites: Mapping[str, Path]) -> dict[str, SourceSpec]:
    """Find each site's file.

    Args:
        sites: by site, a CSV, Parquet or DuckDB file; ``FILE.duckdb#TABLE`` names the table in a database.

    Returns:
        By site, the file without a view.

    Raises:
        ConfigError: with every file that is missing or of no known kind.
    """
    specs: dict[str, SourceSpec] = {}
    mistakes: list[str] = []
    for name, given in sites.items():
        file, _, relation = given.name.partition("#")
        path = (given.parent / file).resolve()
        kind = KINDS.get(path.suffix.lower())
        if kind is None:
            mistakes.append(
                f"{name}: {given} is none of {', '.join(KINDS)}; export the table to one of these"
            )
            continue
        try:
            spec = SourceSpec(kind=kind, path=path, relation=relation)
            spec.check_file()
            specs[name] = spec
        except SchemaMismatchError as error:
            mistakes.append(f"{name}: {error}")
    if mistakes:
        raise ConfigError(mistakes=mistakes)
    return specs


def _check_fit(specs: Mapping[str, SourceSpec], guess: GuessedTable, table: str) -> list[str]:
    """Read every file against the schema, as its node will; return remarks on values outside it."""
    try:
        schema = Schema.from_dict(tomlkit.parse(guess.schema).unwrap())
    except SchemaError as error:
        raise ConfigError(mistakes=[f"guessed schema: {mistake}" for mistake in error.mistakes]) from error
    mistakes: list[str] = []
    remarks: list[str] = []
    for name, spec in specs.items():
        with _loaded(spec) as connection:
            lacking = [column for column in guess.columns if column not in column_types(connection)]
        if lacking:
            mistakes.append(
                f"{name}: {spec.name} lacks the columns {', '.join(lacking)} of the first site's file"
            )
            continue
        viewed = SourceSpec(kind=spec.kind, path=spec.path, relation=spec.relation, view=guess.view)
        try:
            source = open_table(
                viewed, schema.tables[table], site_key=secrets.token_bytes(KEY_BYTES), threads=1
            )
            remarks += [
                f"column {column.name}: {column.clipped + column.outside_domain} values of site {name} are outside"
                for column in source.report.columns
                if column.clipped + column.outside_domain
            ]
            source.close()
        except SchemaMismatchError as error:
            mistakes.append(f"{name}: {error}")
    if mistakes:
        raise ConfigError(mistakes=mistakes)
    return remarks


def _view(guesses: Sequence[Guess]) -> str:
    kept = [guess for guess in guesses if guess.is_kept]
    lines = [
        guess.quoted if guess.source == guess.name else f"{guess.quoted} AS {guess.name}" for guess in kept
    ]
    return "SELECT\n  " + ",\n  ".join(lines) + "\nFROM source"


def _schema_text(table: str, guesses: Sequence[Guess], n_rows: int) -> str:
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
        guessed = ["privacy_unit", "rows_max"]
    else:
        lines += [
            f'privacy_unit = "{unit.name}"    # rows of one value are one person\'s',
            f'unit_form = "{unit.unit_form}"           # or "{_OTHER_FORM[unit.unit_form]}"; as integers 007 and 7 are one',
            f"max_rows_per_unit = {unit.rows_per_unit}           # further rows of one person do not count",
        ]
        guessed = ["privacy_unit", "unit_form", "max_rows_per_unit", "rows_max"]
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
