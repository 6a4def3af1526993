"""Every site's rows against an inferred schema, before any file is written.

Layer:       federation.setup.fit, above site_rows.
Guarantees:  mistakes hold no value. Remarks hold counts and values, for the screen of the person who owns all the rows.
See instead: inferring the schema (``infer_schema``).
"""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from analytics.errors import SchemaMismatchError
from analytics.schema import CategoricalColumn
from analytics.sql.terms.render import quoted
from federation.errors import ConfigError
from federation.setup.infer_column import column_types

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.schema import Table
    from analytics.sources import IngestReport
    from federation.setup.site_rows import SiteRows

KEY_BYTES = 32
MOST_SHOWN = 5


def check_fit(
    rows: Sequence[SiteRows], table: Table, columns: Sequence[str], views: Mapping[str, str]
) -> list[str]:
    """Read every site's rows against the schema, as its node will.

    Args:
        rows: each site's, the first one first.
        table: the inferred table.
        columns: names in the files that the views need.
        views: each site's.

    Returns:
        Remarks on values outside the schema, and on values that one site alone has.

    Raises:
        ConfigError: with every site that lacks a column or does not match.
    """
    mistakes: list[str] = []
    remarks: list[str] = []
    values: dict[str, dict[str, Counter[str]]] = {}
    for each in rows:
        with each.inspected() as connection:
            lacking = [column for column in columns if column not in column_types(connection)]
        if lacking:
            mistakes.append(
                f"{each.site}: {each.name} lacks the columns {_listed(lacking)} of the first site's rows; where they "
                f"have other names there, give a view that names them so: --view {each.site}=FILE.sql"
            )
            continue
        try:
            with each.open(table, views[each.site], secrets.token_bytes(KEY_BYTES)) as source:
                report = source.report
        except SchemaMismatchError as error:
            mistakes.append(f"{each.site}: {error}")
            continue
        values[each.site] = _values(each, table, views[each.site])
        remarks += _outside(each.site, table, report, values[each.site])
    if mistakes:
        raise ConfigError(mistakes=mistakes)
    return remarks + _of_one_site(table, values)


def _listed(names: Sequence[str]) -> str:
    """Name the first few, then count."""
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more


def _values(rows: SiteRows, table: Table, view: str) -> dict[str, Counter[str]]:
    """How often each value of a column with a domain of texts occurs."""
    found: dict[str, Counter[str]] = {}
    with replace(rows, view=view).inspected() as connection:
        kinds = {name.lower(): kind for name, kind in column_types(connection).items()}
        for name, column in table.columns.items():
            if not isinstance(column, CategoricalColumn) or kinds.get(name.lower()) != "VARCHAR":
                continue
            text = f"trim({quoted(name)})"
            counted = connection.execute(
                f"SELECT {text}, count(*) FROM source WHERE {text} <> '' GROUP BY ALL ORDER BY ALL"  # noqa: S608
            ).fetchall()
            found[name] = Counter()
            for value, count in counted:
                found[name][_member(str(value), column, rows.cells.decimal)] += int(count)
    return found


def _member(text: str, column: CategoricalColumn, decimal: str) -> str:
    """The member of the domain that the node reads in a text, such as 2 in 2.0; else the text itself."""
    try:
        number = Fraction(text.replace(decimal, "."))
    except (ValueError, ZeroDivisionError):
        return text
    known = {str(item) for item in column.domain if isinstance(item, int)}
    return str(number) if text not in known and str(number) in known else text


def _outside(site: str, table: Table, report: IngestReport, values: Mapping[str, Counter[str]]) -> list[str]:
    remarks = []
    for column in report.columns:
        count = column.clipped + column.outside_domain
        if not count:
            continue
        declared = table.columns[column.name]
        domain: set[str] = (
            {str(item) for item in declared.domain} if isinstance(declared, CategoricalColumn) else set()
        )
        counted = values[column.name] if column.name in values else Counter()
        found = {value: n for value, n in counted.items() if value not in domain}
        shown = ", ".join(f"{value!r} ({n})" for value, n in list(found.items())[:MOST_SHOWN])
        more = ", ..." if len(found) > MOST_SHOWN else ""
        listed = f": {shown}{more}" if shown else ""
        remarks.append(f"column {column.name}: {count} values of site {site} are outside{listed}")
    return remarks


def _of_one_site(table: Table, values: Mapping[str, Mapping[str, Counter[str]]]) -> list[str]:
    """Values of the domain that one site alone has: they then stand in the file that all sites share."""
    remarks = []
    for name, column in table.columns.items():
        if not isinstance(column, CategoricalColumn) or len(values) < 2:  # noqa: PLR2004  with one site all are
            continue
        for value in map(str, column.domain):
            sites = [site for site, found in values.items() if name in found and found[name][value]]
            if len(sites) == 1:
                remarks.append(
                    f"column {name}: {value!r} is in the shared domain and occurs at site {sites[0]} alone"
                )
    return remarks
