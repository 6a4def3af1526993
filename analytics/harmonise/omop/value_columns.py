"""Numbers of measurements and observations in the schema's unit: the latest, the first, the least, the greatest, the mean.

Layer:       analytics.harmonise.omop.value_columns, above cdm and keys.
Terms:       a row's unit is the UCUM code that the site's own vocabulary gives for its unit concept.
Guarantees:  a value is used only in a unit that the column lists, converted exactly; one in another unit refuses the source,
             or is missing and counted where the column says so. A value with an operator (``<``) is no value by itself.
See instead: the conversion (``analytics.harmonise.units.conversions``).
Source:      ours; OHDSI, OMOP CDM 5.4: concept 4172703 is the operator ``=``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from analytics.harmonise.made import number_sql
from analytics.harmonise.omop.cdm import typed_table
from analytics.harmonise.units.analytes import conversion
from analytics.harmonise.units.conversions import DEFAULT_RESOLUTION, conversion_sql
from analytics.sources.cells import text_literal
from analytics.sources.steps.step import Rule
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.harmonise.omop.keys import OmopColumn

_EQUAL: Final = 4_172_703
_FIGURES: Final = {
    "first": "first(value ORDER BY happened, value)",
    "last": "first(value ORDER BY happened DESC, value DESC)",
    "min": "min(value)",
    "max": "max(value)",
    "mean": "avg(value ORDER BY value)",  # the order makes equal rows give equal bits
}


def value_reads(table: str) -> set[tuple[str, str]]:
    """The columns of the CDM that a value needs besides those of its row."""
    found = {(table, "value_as_number"), (table, "unit_concept_id")}
    found |= {("concept", column) for column in ("concept_id", "vocabulary_id", "concept_code")}
    return found | ({(table, "operator_concept_id")} if table == "measurement" else set())


def check_units(own: OmopColumn) -> Iterator[str]:
    """What is wrong with the units of a column, in sentences."""
    for code in (*own.units, *(() if own.no_unit is None else (own.no_unit,))):
        try:
            conversion(code, own.to_unit or "", own.analyte)
        except ValueError as error:
            yield str(error)


def value_step(
    name: str,
    own: OmopColumn,
    counted: str,
    happened: str,
    is_chosen: str,
    resolution: Fraction | None,
) -> tuple[str, list[Rule], str]:
    """The statement of a column of values.

    Args:
        name: of the column.
        own: its rule.
        counted: the rows ``x`` with their index dates, for FROM.
        happened: SQL of a row's date.
        is_chosen: SQL, true for a row of the concept set within the window.
        resolution: of the schema's column.

    Returns:
        The SELECT, what is counted, and what stands after FROM for the counts.
    """
    grid = resolution or DEFAULT_RESOLUTION
    if own.digits is not None:
        grid = Fraction(1, 10**own.digits)
    concept = quoted(typed_table("concept"))
    counted += f" LEFT JOIN {concept} AS u ON u.concept_id = x.unit_concept_id AND u.vocabulary_id = 'UCUM'"
    value, has_unit, rules = _converted(name, own, grid, is_chosen)
    is_number = "x.value_as_number IS NOT NULL"
    is_plain = "TRUE"
    if own.table == "measurement" and own.censored == "missing":
        is_plain = f"COALESCE(x.operator_concept_id, 0) IN (0, {_EQUAL})"
    rules = [
        Rule(name=f"column {name}: rows without a number", condition=f"{is_chosen} AND NOT {is_number}"),
        Rule(
            name=f"column {name}: values with an operator, left out",
            condition=f"{is_chosen} AND {is_number} AND NOT {is_plain}",
        ),
        *rules,
    ]
    is_used = f"{is_chosen} AND {is_number} AND {is_plain} AND {has_unit}"
    if own.range is not None:
        sides = [f"({value}) >= {number_sql(own.range.low)}"] if own.range.low is not None else []
        sides += [f"({value}) <= {number_sql(own.range.high)}"] if own.range.high is not None else []
        is_within = " AND ".join(sides)
        rules.append(
            Rule(
                name=f"column {name}: values outside the range, left out",
                condition=f"{is_used} AND NOT ({is_within})",
                refusal="correct the rows, or widen the range" if own.range.outside == "refuse" else "",
            )
        )
        is_used += f" AND {is_within}"
    rows = f"SELECT x.person_id, {happened} AS happened, {value} AS value FROM {counted} WHERE {is_used}"  # noqa: S608
    found = f"SELECT person_id, {_FIGURES[own.take]} AS value FROM ({rows}) AS e GROUP BY person_id"  # noqa: S608
    return found, rules, counted


def _converted(name: str, own: OmopColumn, grid: Fraction, is_chosen: str) -> tuple[str, str, list[Rule]]:
    """The value in the schema's unit, whether its unit is known, and what is counted."""
    number, text = "x.value_as_number", "CAST(x.value_as_number AS VARCHAR)"
    has_none = "COALESCE(x.unit_concept_id, 0) = 0"
    branches, known, rules = [], [], []
    units = [(f"u.concept_code = {text_literal(code)}", code, code) for code in own.units]
    if own.no_unit is not None:
        units.append((has_none, own.no_unit, f"no unit, taken for {own.no_unit},"))
    for condition, code, label in units:
        rule = conversion(code, own.to_unit or "", own.analyte)
        branches.append(f"WHEN {condition} THEN {conversion_sql(rule, grid, text, number)}")
        known.append(condition)
        what = f"column {name}: {label} to {own.to_unit}"
        rules.append(Rule(name=what, condition=f"{is_chosen} AND {number} IS NOT NULL AND {condition}"))
    is_known = f"COALESCE({' OR '.join(known)}, FALSE)"
    advice = 'list it in units, say no_unit, or write unknown_unit = "missing"'
    rules.append(
        Rule(
            name=f"column {name}: values in a unit that the column does not list",
            condition=f"{is_chosen} AND {number} IS NOT NULL AND NOT {is_known}",
            refusal=advice if own.unknown_unit == "refuse" else "",
        )
    )
    return f"CASE {' '.join(branches)} END", is_known, rules
