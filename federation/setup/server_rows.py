"""One site's rows in a database server, before there is a schema: the address, the keys of the site file, the catalogue.

Layer:       federation.setup.server_rows, below site_rows.
Guarantees:  the keys are those with which the site's node opens the table; no password stands in them. The catalogue's
             definitions come before a guess from the rows, which may lack a level or a missing value.
See instead: files (``site_rows``), inferring the schema (``infer_schema``).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.schema.columns import MAX_GRID
from analytics.sources.servers.access import ServerAccess
from analytics.sources.servers.catalogue import catalogue_columns, readable_tables
from analytics.sources.spec import DEFAULT_VIEW
from federation.consortium.site_file import SiteTable
from federation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.sources import SourceSpec
    from federation.setup.infer_column import Guess

MOST_LEVELS: Final = 100


def server_spec(site: str, given: str, settings: Mapping[str, Any]) -> SourceSpec:
    """The source of a table in a server.

    Args:
        site: the site, for messages.
        given: ``ADDRESS#SCHEMA.TABLE``.
        settings: keys of the site file.

    Raises:
        ConfigError: no table is named, the server is not reached, or a setting is wrong.
    """
    address, _, relation = given.rpartition("#") if "#" in given else (given, "", "")
    try:
        if not relation:
            raise ConfigError(mistakes=[f"{site}: {_name_one(address, settings)}"])
        table = SiteTable(source=address, table=relation, **settings)
        spec = table.spec(Path())
    except SchemaMismatchError as error:
        raise ConfigError(mistakes=[f"{site}: {error}"]) from None
    except ValueError as error:
        texts = [str(each["msg"]) for each in getattr(error, "errors", list)()] or [str(error)]
        raise ConfigError(
            mistakes=[f"{site}: {text.removeprefix('Value error, ')}" for text in texts]
        ) from None
    if spec is None or spec.server is None:
        raise ConfigError(mistakes=[f"{site}: {address} is no address of a server"])
    return spec


def _name_one(address: str, settings: Mapping[str, Any]) -> str:
    """Ask for a table, with those that the login may read, as far as the server says."""
    asked = "name the table: ADDRESS#SCHEMA.TABLE"
    secret = settings.get("password_file")
    access = ServerAccess(
        url=address,
        password_env=settings.get("password_env") or "",
        password_file=None if secret is None else Path(secret),
    )
    if access.mistakes():
        return "; ".join(access.mistakes())
    try:
        found = readable_tables(access, "the server")
    except SchemaMismatchError:
        return asked
    return f"{asked}; the login may read {', '.join(found) or 'none'}"


def by_catalogue(spec: SourceSpec, view: str, guesses: Sequence[Guess], site: str) -> list[Guess]:
    """Correct guesses by what a server's catalogue says; a site's own view can change everything, and is left alone.

    Args:
        spec: the source.
        view: the site's.
        guesses: from the rows.
        site: for messages.

    Raises:
        ConfigError: the server does not answer.
    """
    if spec.server is None or view.strip() != DEFAULT_VIEW:
        return list(guesses)
    try:
        known = catalogue_columns(spec.server, spec.relation, spec.name)
    except SchemaMismatchError as error:
        raise ConfigError(mistakes=[f"{site}: {error}"]) from None
    found = []
    for guess in guesses:
        column = known.get(guess.source)
        if column is None:
            found.append(guess)
            continue
        body = dict(guess.body)
        if 0 < len(column.levels) <= MOST_LEVELS and not guess.is_unit:
            body = {"type": "categorical", "domain": list(column.levels), "guessed": True}
        if body.get("type") == "numeric" and column.decimals is not None:
            body["resolution"] = _finer(body, Fraction(1, 10**column.decimals))
        if body and column.is_nullable:
            body["nullable"] = True
        found.append(replace(guess, body=body, remark="" if body else guess.remark))
    return found


def _finer(body: Mapping[str, Any], declared: Fraction) -> Fraction:
    """The step of the declared decimals, where a grid of it holds the bounds; else the guessed one."""
    guessed = Fraction(body["resolution"])
    widest = max(abs(Fraction(body["lower"])), abs(Fraction(body["upper"])))
    return declared if declared < guessed and widest / declared <= MAX_GRID else guessed
