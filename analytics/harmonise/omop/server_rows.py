"""Which rows of an OMOP database in a server a mapping can use: its concept sets are looked up there, before any row is read.

Layer:       analytics.harmonise.omop.server_rows, above concept_sets and keys.
Guarantees:  a row that no step can use is left out, and no other: conditions hold for all descendants of a set's concepts, also
             those that are excluded or no longer valid, and the node resolves the sets as before. So the research table is that
             of the whole tables. Where a column without a set reads a table, or a criterion of a cohort without one, the
             whole table is read.
See instead: the sets themselves (``concept_sets``), reading (``analytics.sources.formats``).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.harmonise.omop.cdm import EVENTS
from analytics.harmonise.omop.keys import VALUES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from analytics.harmonise.omop.circe import Cohort
    from analytics.harmonise.omop.concept_sets import Item
    from analytics.harmonise.omop.keys import OmopFile


def used_rows(
    table: str,
    file: OmopFile,
    sets: Mapping[str, Sequence[Item]],
    cohorts: Mapping[str, Cohort],
    relation: Callable[[str], str],
) -> str:
    """The condition of the rows that a mapping can use, in words that every SQL database has.

    Args:
        table: of the CDM.
        file: the mapping.
        sets: the lines of its concept sets.
        cohorts: its cohorts.
        relation: what stands for a table of the CDM after FROM.

    Returns:
        SQL over the table's columns; empty where all rows may be used.
    """
    every = [item for items in sets.values() for item in items]
    every += [item for cohort in cohorts.values() for items in cohort.items.values() for item in items]
    if table == "concept_relationship":
        return "trim(relationship_id) = 'Maps to'"
    if table == "concept_ancestor":
        parents = _ids([item for item in every if item.descendants])
        return f"ancestor_concept_id IN ({parents})" if parents else ""
    if table == "concept":
        if any(table in cohort.joined for cohort in cohorts.values()):
            return ""
        has_units = any(own.take in VALUES for own in file.columns.values())
        units = ["trim(vocabulary_id) = 'UCUM'"] if has_units else []
        return _either([*units, *(_within("concept_id", items, relation) for items in (every,) if items)])
    if table not in EVENTS:
        return ""
    uses = dict.fromkeys(
        (None if name is None else tuple(sets[name]), column) for name, column in _uses(table, file)
    )
    found = ["" if items is None else _within(column, _included(items), relation) for items, column in uses]
    for cohort in cohorts.values():
        if table in cohort.joined:
            items = _included([item for own in cohort.items.values() for item in own])
            columns = sorted(cohort.joined[table])
            found += [_within(column, items, relation) for column in columns] or [""]
    return _either(found)


def _included(items: Sequence[Item]) -> list[Item]:
    return [each for each in items if not each.is_excluded]


def _uses(table: str, file: OmopFile) -> Iterator[tuple[str | None, str]]:
    """The concept set, or none, and the column of each part of the mapping that reads a table of events."""
    events = EVENTS[table]
    if file.index.table == table:
        yield file.index.set, events.concept
    for own in file.columns.values():
        if own.table == table:
            yield own.set, events.source_concept if own.source_concepts else events.concept


def _within(column: str, items: Sequence[Item], relation: Callable[[str], str]) -> str:
    """Whether a concept is one of the lines', below one of them, or mapped to one of these."""
    if not items:
        return ""
    found = [f"{column} IN ({_ids(items)})"]
    found += [f"{column} IN ({_below(items, relation)})"] if any(each.descendants for each in items) else []
    mapped = [each for each in items if each.mapped]
    if mapped:
        targets = f"concept_id_2 IN ({_ids(mapped)})"
        if any(each.descendants for each in mapped):
            targets += f" OR concept_id_2 IN ({_below(mapped, relation)})"
        sources = f"SELECT concept_id_1 FROM {relation('concept_relationship')} WHERE {targets}"  # noqa: S608  numbers
        found.append(f"{column} IN ({sources})")
    return " OR ".join(found)


def _below(items: Sequence[Item], relation: Callable[[str], str]) -> str:
    parents = _ids([each for each in items if each.descendants])
    ancestors = relation("concept_ancestor")
    return f"SELECT descendant_concept_id FROM {ancestors} WHERE ancestor_concept_id IN ({parents})"  # noqa: S608  numbers


def _either(conditions: Sequence[str]) -> str:
    """One of several; empty where one of them holds for all rows."""
    return " OR ".join(conditions) if all(conditions) else ""


def _ids(items: Sequence[Item]) -> str:
    return ", ".join(str(number) for number in sorted({each.concept for each in items}))
