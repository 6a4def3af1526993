"""Columns of the research table that one row of the table person gives, and the texts of concepts.

Layer:       analytics.harmonise.omop.person_columns, above keys.
Guarantees:  concept 0, "no matching concept", is a missing value. A concept without a word is counted, and refuses where
             the column says so.
Source:      ours; the age is OHDSI's: year of the index date less year of birth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.sources.cells import text_literal
from analytics.sources.steps.step import Rule

if TYPE_CHECKING:
    from analytics.harmonise.omop.keys import OmopColumn

CONCEPTS_OF: Final = {
    "sex": "gender_concept_id",
    "race": "race_concept_id",
    "ethnicity": "ethnicity_concept_id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One column of the research table, over the persons ``p`` and their index dates ``i``."""

    sql: str
    kind: str
    rules: tuple[Rule, ...] = ()


def person_reads(own: OmopColumn) -> set[str]:
    """The columns of the table person that a column needs."""
    if own.take in CONCEPTS_OF:
        return {CONCEPTS_OF[own.take]}
    return {"year_of_birth"} if own.take in {"age", "year_of_birth"} else set()


def person_column(name: str, own: OmopColumn) -> Chosen:
    """Compile a column of the table person."""
    if own.take in CONCEPTS_OF:
        return coded(name, own, f"p.{CONCEPTS_OF[own.take]}")
    if own.take == "index_date":
        return Chosen(sql="i.index_date", kind="date")
    years = {
        "age": "year(i.index_date) - p.year_of_birth",
        "year_of_birth": "p.year_of_birth",
        "index_year": "year(i.index_date)",
    }
    return Chosen(sql=f"CAST({years[own.take]} AS DOUBLE)", kind="number")


def coded(name: str, own: OmopColumn, concept: str) -> Chosen:
    """The text of a concept.

    Args:
        name: of the column.
        own: its rule.
        concept: SQL of the concept's id.
    """
    number = f"NULLIF({concept}, 0)"
    text = f"CAST({number} AS VARCHAR)"
    meanings = own.meanings()
    if meanings is None:
        return Chosen(sql=text, kind="text")
    branches = " ".join(
        f"WHEN {int(number_)} THEN {text_literal(meaning)}" for number_, meaning in meanings.items()
    )
    known = ", ".join(str(int(number_)) for number_ in meanings)
    found = f"CASE {number} {branches} END"
    rules = (
        Rule(
            name=f"column {name}: concepts without a word",
            condition=f"{number} IS NOT NULL AND {number} NOT IN ({known})",
            refusal='add them, or write unmapped = "missing" or "keep"' if own.unmapped == "refuse" else "",
        ),
    )
    return Chosen(
        sql=f"COALESCE({found}, {text})" if own.unmapped == "keep" else found, kind="text", rules=rules
    )
