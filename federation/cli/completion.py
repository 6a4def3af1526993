"""What the shell completes after Tab: tables and columns of the consortium file, statistics and their arguments.

Layer:       federation.cli.completion, below options.
Guarantees:  reads the consortium file and the registry alone; asks no site. Never an error: without a readable file nothing is
             completed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer  # noqa: TC002  typer reads the annotations

from crossward.base_error import CrosswardError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analytics.schema import Schema

FILE: Final = "CROSSWARD_CONSORTIUM"


def tables(ctx: typer.Context, incomplete: str) -> list[str]:
    """Tables of the consortium file."""
    schema = _schema(ctx)
    return [] if schema is None else _beginning(schema.tables, incomplete)


def columns(ctx: typer.Context, incomplete: str) -> list[str]:
    """Columns of the table that ``--table`` names, or of all tables."""
    return _beginning(_columns(ctx), incomplete)


def items(ctx: typer.Context, incomplete: str) -> list[str]:
    """Columns, and after ``=`` the values of a category."""
    name, is_given, _ = incomplete.partition("=")
    found = _columns(ctx)
    if is_given and name in found:
        return _beginning([f"{name}={value}" for value in getattr(found[name], "domain", ())], incomplete)
    return _beginning(found, incomplete)


def measures(ctx: typer.Context, incomplete: str) -> list[str]:
    """Measures of a cube: counts, and sums, means and deviations of numeric columns."""
    numeric = [name for name, column in _columns(ctx).items() if hasattr(column, "resolution")]
    wanted = ["COUNT(*)", *(f"{each}({name})" for name in numeric for each in ("SUM", "AVG", "STDDEV"))]
    return _beginning(wanted, incomplete)


def fits(ctx: typer.Context, incomplete: str) -> list[str]:
    """Numeric columns, and after ``=`` the constants that can be fitted."""
    from analytics.harmonise.constants import FITS

    name, is_given, _ = incomplete.partition("=")
    found = [each for each, column in _columns(ctx).items() if hasattr(column, "resolution")]
    return _beginning(
        [f"{name}={fit}" for fit in FITS] if is_given else [f"{each}=" for each in found], incomplete
    )


def statistics(incomplete: str) -> list[tuple[str, str]]:
    """Names of statistics, with what they are."""
    from analytics.statistics.registry import STATISTICS

    return [(name, each.summary) for name, each in sorted(STATISTICS.items()) if name.startswith(incomplete)]


def arguments(ctx: typer.Context, incomplete: str) -> list[str]:
    """Arguments of the statistic that is named, and after ``=`` the columns."""
    from analytics.statistics.registry import STATISTICS

    name, is_given, value = incomplete.partition("=")
    if is_given:
        begun, comma, last = value.rpartition(",")
        return [f"{name}={begun}{comma}{each}" for each in _beginning(_columns(ctx), last)]
    statistic = STATISTICS.get(str(ctx.params.get("name")))
    return _beginning([f"{each.name}=" for each in statistic.parameters] if statistic else [], incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _columns(ctx: typer.Context) -> dict[str, Any]:
    schema = _schema(ctx)
    if schema is None:
        return {}
    named = ctx.params.get("table")
    chosen = [schema.tables[str(named)]] if named in schema.tables else list(schema.tables.values())
    return {name: column for table in chosen for name, column in table.columns.items()}


def _schema(ctx: typer.Context) -> Schema | None:
    from federation.consortium.consortium_file import load_consortium

    place = ctx.params.get("consortium") or os.environ.get(FILE)
    with suppress(CrosswardError, OSError):
        return load_consortium(Path(str(place))).schema if place else None
    return None
