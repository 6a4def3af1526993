"""Tables and columns of the OMOP CDM 5.4 that a mapping reads, and their texts as typed columns.

Layer:       analytics.harmonise.omop.cdm, the lowest of omop.
Terms:       an *event table* has rows with a person, a concept and a date.
Guarantees:  a text that is no integer, number or date of its column refuses the source; none becomes a missing value unseen.
Source:      OHDSI, OMOP Common Data Model 5.4, field list (``data/omop_cdm_5_4.csv``: names and types alone).
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from analytics.sources.cells import text_date, text_number
from analytics.sources.steps.step import MAIN, Rule
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from analytics.sources.spec import CellRules

PERSON: Final = "person"
VOCABULARY: Final = ("concept", "concept_ancestor", "concept_relationship")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTable:
    """The columns of an event table that figures are made of.

    Attributes:
        concept: what happened, a standard concept.
        source_concept: the same as the source coded it; empty where the table has none.
        date: when, or when it began.
        end: when it ended; empty where the table has none.
    """

    concept: str
    source_concept: str
    date: str
    end: str = ""


EVENTS: Final[Mapping[str, EventTable]] = MappingProxyType(
    {
        "condition_occurrence": EventTable(
            concept="condition_concept_id",
            source_concept="condition_source_concept_id",
            date="condition_start_date",
            end="condition_end_date",
        ),
        "drug_exposure": EventTable(
            concept="drug_concept_id",
            source_concept="drug_source_concept_id",
            date="drug_exposure_start_date",
            end="drug_exposure_end_date",
        ),
        "procedure_occurrence": EventTable(
            concept="procedure_concept_id",
            source_concept="procedure_source_concept_id",
            date="procedure_date",
        ),
        "device_exposure": EventTable(
            concept="device_concept_id",
            source_concept="device_source_concept_id",
            date="device_exposure_start_date",
            end="device_exposure_end_date",
        ),
        "measurement": EventTable(
            concept="measurement_concept_id",
            source_concept="measurement_source_concept_id",
            date="measurement_date",
        ),
        "observation": EventTable(
            concept="observation_concept_id",
            source_concept="observation_source_concept_id",
            date="observation_date",
        ),
        "visit_occurrence": EventTable(
            concept="visit_concept_id",
            source_concept="visit_source_concept_id",
            date="visit_start_date",
            end="visit_end_date",
        ),
        "condition_era": EventTable(
            concept="condition_concept_id",
            source_concept="",
            date="condition_era_start_date",
            end="condition_era_end_date",
        ),
        "drug_era": EventTable(
            concept="drug_concept_id",
            source_concept="",
            date="drug_era_start_date",
            end="drug_era_end_date",
        ),
    }
)


@cache
def cdm_columns() -> Mapping[str, Mapping[str, str]]:
    """The database's type of each column, by table and column; lower case, in the CDM's order."""
    text = resources.files("analytics.harmonise").joinpath("data/omop_cdm_5_4.csv").read_text("utf-8")
    found: dict[str, dict[str, str]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        found.setdefault(row["table"], {})[row["field"]] = row["type"]
    return MappingProxyType(found)


def block_of(table: str) -> str:
    """The block that reads a table: the persons are the table that questions are asked of."""
    return MAIN if table == PERSON else table


def text_table(table: str) -> str:
    """The name of a table's texts."""
    return f"{block_of(table)}#0"


def typed_table(table: str) -> str:
    """The name of a table with its types."""
    return f"{block_of(table)}#typed"


def typed_sql(table: str, columns: Iterable[str], cells: CellRules) -> tuple[str, tuple[Rule, ...]]:
    """One table with its types.

    Args:
        table: of the CDM.
        columns: those that are read, lower case.
        cells: how the source writes dates and numbers.

    Returns:
        The SELECT, and the rules that refuse a text which is none of its type.
    """
    chosen, rules = [], []
    for name in columns:
        kind = cdm_columns()[table][name]
        text = f"NULLIF(trim({quoted(name)}), '')"
        value = typed_cell(text, kind, cells)
        chosen.append(f"{value} AS {quoted(name)}")
        if kind != "VARCHAR":
            rules.append(
                Rule(
                    name=f"{table}.{name}: texts that are no {kind}",
                    condition=f"{text} IS NOT NULL AND ({value}) IS NULL",
                    refusal="correct the table: the OMOP CDM declares this type",
                )
            )
    return f"SELECT {', '.join(chosen)} FROM {quoted(text_table(table))}", tuple(rules)  # noqa: S608  quoted names


def typed_cell(text: str, kind: str, cells: CellRules) -> str:
    """SQL of a cell's value; NULL where its text is none of the type.

    Args:
        text: SQL of the text without blanks at its ends; NULL where the cell is empty.
        kind: of ``cdm_columns``.
        cells: how the source writes dates and numbers.
    """
    if kind == "VARCHAR":
        return text
    if kind == "BIGINT":  # 8507.0 is an integer that a program wrote as a float; 8507.5 is none
        whole = f"regexp_replace({text}, '\\.0+$', '')"
        return f"CASE WHEN regexp_full_match({whole}, '[+-]?[0-9]+') THEN TRY_CAST({whole} AS BIGINT) END"
    if kind == "DOUBLE":
        number = text_number(text, cells)
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    moment = f"CASE WHEN regexp_matches({text}, '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') THEN TRY_CAST({text} AS TIMESTAMP) END"
    if kind == "DATE":
        return f"COALESCE({text_date(text, cells)}, CAST({moment} AS DATE))"
    return f"COALESCE({moment}, CAST({text_date(text, cells)} AS TIMESTAMP))"
