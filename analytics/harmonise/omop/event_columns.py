"""Columns of the research table that figures over a person's rows give: one step each, with one row a person.

Layer:       analytics.harmonise.omop.event_columns, above index_dates and person_columns.
Terms:       the *day* of a row counts from the person's index date, which is day 0; a *window* is a first and a last day.
Guarantees:  figures do not depend on the order of rows: equal dates are decided by the value. Rows that a column leaves out
             are counted.
See instead: values with units (``value_columns``).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from analytics.harmonise.omop.cdm import EVENTS, block_of, typed_table
from analytics.harmonise.omop.circe import cohort_table
from analytics.harmonise.omop.concept_sets import set_table
from analytics.harmonise.omop.index_dates import INDEX, PERIOD
from analytics.harmonise.omop.keys import CONCEPTS, VALUES
from analytics.harmonise.omop.person_columns import Chosen, coded
from analytics.harmonise.omop.value_columns import value_reads, value_step
from analytics.sources.steps.step import MAIN, Rule, Step
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from fractions import Fraction

    from analytics.harmonise.omop.keys import OmopColumn

_ZERO: Final = frozenset({"count", "days", "nights"})
_FIGURES: Final = {
    "any": "TRUE",
    "count": "CAST(count(*) AS DOUBLE)",
    "days": "CAST(count(DISTINCT happened) AS DOUBLE)",
    "first_date": "min(happened)",
    "last_date": "max(happened)",
    "first_day": "CAST(min(day) AS DOUBLE)",
    "last_day": "CAST(max(day) AS DOUBLE)",
    "first_concept": "first(concept ORDER BY happened, concept)",
    "last_concept": "first(concept ORDER BY happened DESC, concept DESC)",
    "nights": "CAST(coalesce(sum(greatest(date_diff('day', happened, ended), 0)), 0) AS DOUBLE)",
    "date": "min(happened)",
    "day": "CAST(min(day) AS DOUBLE)",
    "start_date": "min(happened)",
    "end_date": "first(ended ORDER BY happened, ended)",
    "start_day": "CAST(min(day) AS DOUBLE)",
    "end_day": "CAST(first(day + date_diff('day', happened, ended) ORDER BY happened, ended) AS DOUBLE)",
    "length": "CAST(first(date_diff('day', happened, ended) ORDER BY happened, ended) AS DOUBLE)",
}
_PERIODS: Final = {
    "days_before": "CAST(max(date_diff('day', happened, indexed)) AS DOUBLE)",
    "days_after": "CAST(max(date_diff('day', indexed, ended)) AS DOUBLE)",
    "start_date": "min(happened)",
    "end_date": "max(ended)",
}


def column_table(name: str) -> str:
    """The name of a column's table: person_id and value."""
    return f"column#{name}"


def column_reads(own: OmopColumn) -> set[tuple[str, str]]:
    """The columns of the CDM that a column over rows needs."""
    if own.table == "death":
        return {("death", "person_id"), ("death", "death_date")}
    if own.table == PERIOD:
        ends = ("person_id", "observation_period_start_date", "observation_period_end_date")
        return {(PERIOD, column) for column in ends}
    if own.table not in EVENTS:
        return set()
    events = EVENTS[own.table]
    columns = {"person_id", events.date}
    if own.set is not None:
        columns.add(events.source_concept if own.source_concepts else events.concept)
    if own.take in CONCEPTS:
        columns.add(events.concept)
    if own.take == "nights":
        columns.add(events.end)
    found = {(own.table, column) for column in columns}
    return found | (value_reads(own.table) if own.take in VALUES else set())


def column_step(name: str, own: OmopColumn, resolution: Fraction | None) -> Step:
    """The step of a column over rows.

    Args:
        name: of the column.
        own: its rule.
        resolution: of the schema's column, to which a conversion rounds; None while there is none.
    """
    table, block = (
        (cohort_table(own.cohort), MAIN)
        if own.cohort is not None
        else (typed_table(own.table), block_of(own.table))
    )
    counted = f"{quoted(table)} AS x LEFT JOIN {quoted(INDEX)} AS i ON i.person_id = x.person_id"
    happened, ended, concept = _columns(own)
    day = f"date_diff('day', i.index_date, {happened})"
    is_in_set = "TRUE" if own.set is None else f"{_set_column(own)} IN (SELECT concept_id FROM {_set(own)})"  # noqa: S608
    is_inside = f"({_window(own, day, happened, ended)}) IS TRUE"
    rules = [Rule(name=f"column {name}: rows of the concept set", condition=is_in_set)] if own.set else []
    rules.append(
        Rule(name=f"column {name}: of these within the window", condition=f"{is_in_set} AND {is_inside}")
    )
    if own.take in VALUES:
        found, more, counted = value_step(
            name, own, counted, happened, f"{is_in_set} AND {is_inside}", resolution
        )
        rules += more
    else:
        figures = _PERIODS if own.table == PERIOD else _FIGURES
        chosen = (
            f"x.person_id, {happened} AS happened, {ended} AS ended, {concept} AS concept, {day} AS day, "
            "i.index_date AS indexed"
        )
        rows = f"SELECT {chosen} FROM {counted} WHERE {is_in_set} AND {is_inside}"  # noqa: S608
        found = f"SELECT person_id, {figures[own.take]} AS value FROM ({rows}) AS e GROUP BY person_id"  # noqa: S608
    return Step(
        block=block,
        what=f"column {name}",
        before=table,
        after=column_table(name),
        sql=found,
        rules=tuple(rules),
        counted=counted,
    )


def _columns(own: OmopColumn) -> tuple[str, str, str]:
    """SQL of a row's date, its end and its concept."""
    if own.table == "cohort":
        return "x.start_date", "x.end_date", "NULL"
    if own.table == "death":
        return "x.death_date", "NULL", "NULL"
    if own.table == PERIOD:
        return "x.observation_period_start_date", "x.observation_period_end_date", "NULL"
    events = EVENTS[own.table]
    ended = f"x.{events.end}" if own.take == "nights" else "NULL"
    return f"x.{events.date}", ended, f"x.{events.concept}" if own.take in CONCEPTS else "NULL"


def _set_column(own: OmopColumn) -> str:
    events = EVENTS[own.table]
    return f"x.{events.source_concept if own.source_concepts else events.concept}"


def _set(own: OmopColumn) -> str:
    return quoted(set_table(own.set or ""))


def _window(own: OmopColumn, day: str, happened: str, ended: str) -> str:
    """SQL, true for a row within the window."""
    if own.table == PERIOD:
        return f"i.index_date BETWEEN {happened} AND {ended}"
    if own.table not in EVENTS and own.from_day is None and own.to_day is None:
        return f"{happened} IS NOT NULL"  # without a window it holds for persons without an index date too
    first = f"{day} >= {own.from_day} AND " if own.from_day is not None else ""
    return f"{first}{day} <= {own.last_day()}"


def figure_column(name: str, own: OmopColumn) -> Chosen:
    """A column over the persons ``p``, their index dates ``i`` and the column's own table ``c``, which may lack a person."""
    value = f"{quoted(column_table(name))}.value"
    if own.take in CONCEPTS:
        return coded(name, own, value)
    kind = "number"
    if own.take == "any":
        value, kind = _known(f"COALESCE({value}, FALSE)", own), "boolean"
    elif own.take in _ZERO:
        value = _known(f"COALESCE({value}, CAST(0 AS DOUBLE))", own)
    elif own.take.endswith("date"):
        kind = "date"
    return Chosen(sql=value, kind=kind)


def _known(value: str, own: OmopColumn) -> str:
    """Nothing is known of a window that has no index date."""
    is_free = own.table not in EVENTS and own.from_day is None and own.to_day is None
    return value if is_free else f"CASE WHEN i.index_date IS NOT NULL THEN {value} END"
