"""Concept sets: which concepts of the site's vocabulary a list with descendants, mapped and excluded ones means.

Layer:       analytics.harmonise.omop.concept_sets, above keys.
Terms:       as in ATLAS: *descendants* are those of ``concept_ancestor`` that are valid today; *mapped* adds concepts whose
             valid relationship "Maps to" leads to one of the set; excluded items are resolved the same way and taken away.
Guarantees:  a concept that the site's vocabulary does not have refuses the source, by its id: else a set that is empty at one
             site would count as patients without the disease. A set depends on the vocabulary alone, and on no person.
Source:      OHDSI, "The Book of OHDSI", chapter 10; the rules of Circe's concept set expressions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from analytics.harmonise.omop.cdm import PERSON, typed_table
from analytics.sources.steps.step import Rule
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.harmonise.omop.keys import ConceptSet

_CONCEPT: Final = quoted(typed_table("concept"))
_ANCESTOR: Final = quoted(typed_table("concept_ancestor"))
_RELATIONSHIP: Final = quoted(typed_table("concept_relationship"))
_ITEM_KEYS: Final = {"concept", "isExcluded", "includeDescendants", "includeMapped"}
_MOST_ID: Final = 2**62
MAX_SHOWN: Final = 200
"""Concepts that are looked up one by one; of larger sets, the rest are looked up together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of a concept set."""

    concept: int
    is_excluded: bool
    descendants: bool
    mapped: bool


def set_table(name: str) -> str:
    """The name of a concept set's table, whose one column is concept_id."""
    return f"set#{name}"


def items_of(own: ConceptSet, content: bytes | None) -> tuple[Item, ...]:
    """The lines of a set.

    Args:
        own: the mapping's.
        content: of its file, where it names one.

    Raises:
        ValueError: the file is no concept set expression, or the set excludes all of it.
    """
    if content is not None:
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            raise ValueError("it is not JSON") from None
        items = read_items(document)
    else:
        items = tuple(
            Item(concept=each, is_excluded=is_excluded, descendants=own.descendants, mapped=own.mapped)
            for is_excluded, ids in ((False, own.concepts), (True, own.exclude))
            for each in dict.fromkeys(ids)
        )
    excluded = {each.concept for each in items if each.is_excluded}
    if all(each.concept in excluded for each in items):
        raise ValueError("the set has no concept, or excludes all of them")
    return items


def read_items(document: Any) -> tuple[Item, ...]:
    """The lines of an expression that ATLAS exported.

    Raises:
        ValueError: it is none.
    """
    given = document.get("items") if isinstance(document, dict) else None
    if not isinstance(given, list):
        raise ValueError("it is no concept set expression: there is no list items")  # noqa: TRY004  a mistake of the file
    return tuple(_item(each, place) for place, each in enumerate(given))


def _item(given: Any, place: int) -> Item:
    concept = given.get("concept") if isinstance(given, dict) else None
    number = concept.get("CONCEPT_ID") if isinstance(concept, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < _MOST_ID:
        raise ValueError(f"items {place}: there is no CONCEPT_ID")
    if unknown := sorted(set(given) - _ITEM_KEYS):
        raise ValueError(f"items {place}: there is no key {unknown[0]}")
    flags = [given.get(key, False) for key in ("isExcluded", "includeDescendants", "includeMapped")]
    if not all(isinstance(flag, bool) for flag in flags):
        raise ValueError(f"items {place}: isExcluded, includeDescendants and includeMapped are true or false")
    return Item(concept=number, is_excluded=flags[0], descendants=flags[1], mapped=flags[2])


def vocabulary_of(items: Sequence[Item]) -> set[tuple[str, str]]:
    """The columns of the vocabulary that a set needs, as pairs of table and column."""
    found = {("concept", "concept_id"), ("concept", "standard_concept"), ("concept", "invalid_reason")}
    if any(each.descendants for each in items):
        found |= {("concept_ancestor", "ancestor_concept_id"), ("concept_ancestor", "descendant_concept_id")}
    if any(each.mapped for each in items):
        columns = ("concept_id_1", "concept_id_2", "relationship_id", "invalid_reason")
        found |= {("concept_relationship", column) for column in columns}
    return found


def vocabulary_condition(table: str, items: Sequence[Item]) -> str:
    """Which rows of a table of the vocabulary are read: a whole one has tens of millions.

    Args:
        table: of the CDM.
        items: the lines of all sets.

    Returns:
        SQL over the texts of the table; empty where all rows are read.
    """
    if table == "concept_relationship":
        return "trim(relationship_id) = 'Maps to'"
    if table != "concept_ancestor":
        return ""
    parents = sorted({each.concept for each in items if each.descendants})
    ids = ", ".join(f"'{number}'" for number in parents)
    return f"regexp_replace(trim(ancestor_concept_id), '\\.0+$', '') IN ({ids})"


def set_sql(items: Sequence[Item]) -> str:
    """The SELECT of a set's concepts."""
    included = _resolved([each for each in items if not each.is_excluded])
    excluded = [each for each in items if each.is_excluded]
    less = f" EXCEPT ({_resolved(excluded)})" if excluded else ""
    return f"SELECT concept_id FROM (({included}){less}) AS resolved"  # noqa: S608  numbers and names of ours


def _resolved(items: Sequence[Item]) -> str:
    """The concepts of lines, each once."""
    every = _with_descendants(items)
    mapped = [each for each in items if each.mapped]
    if not mapped:
        return every
    targets = _with_descendants(mapped)
    return (
        f"{every} UNION SELECT r.concept_id_1 FROM {_RELATIONSHIP} AS r JOIN ({targets}) AS t "  # noqa: S608
        "ON t.concept_id = r.concept_id_2 WHERE r.relationship_id = 'Maps to' AND r.invalid_reason IS NULL"
    )


def _with_descendants(items: Sequence[Item]) -> str:
    found = f"SELECT concept_id FROM {_CONCEPT} WHERE concept_id IN ({_ids(items)})"  # noqa: S608  numbers
    parents = [each for each in items if each.descendants]
    if parents:
        found += (
            f" UNION SELECT c.concept_id FROM {_CONCEPT} AS c JOIN {_ANCESTOR} AS a "  # noqa: S608
            f"ON a.descendant_concept_id = c.concept_id "
            f"WHERE a.ancestor_concept_id IN ({_ids(parents)}) AND c.invalid_reason IS NULL"
        )
    return found


def _ids(items: Sequence[Item]) -> str:
    return ", ".join(str(each.concept) for each in items)


def unknown_rules(place: str, items: Sequence[Item]) -> tuple[Rule, ...]:
    """Refuse concepts that the site's vocabulary does not have, and count those that are not standard.

    Args:
        place: the mapping's name of the set, for messages.
        items: its lines.
    """
    ids = list(dict.fromkeys(each.concept for each in items))
    standard = [each for each in items if not each.is_excluded and not each.mapped]
    rules = [
        Rule(
            name=f"{place}: concept {number} is not in the site's vocabulary",
            query=_where_persons(f"NOT EXISTS (SELECT 1 FROM {_CONCEPT} WHERE concept_id = {number})"),  # noqa: S608
            refusal="correct the id, or load the vocabulary that has it",
        )
        for number in ids[:MAX_SHOWN]
    ]
    if rest := ids[MAX_SHOWN:]:
        values = ", ".join(f"({number})" for number in rest)
        rules.append(
            Rule(
                name=f"{place}: further concepts that are not in the site's vocabulary",
                query=_counted(
                    f"SELECT count(*) FROM (VALUES {values}) AS v(id) WHERE id NOT IN (SELECT concept_id FROM {_CONCEPT})"  # noqa: S608
                ),
                refusal="correct the ids, or load the vocabulary that has them",
            )
        )
    if standard:
        rules.append(
            Rule(
                name=f"{place}: concepts that are not standard, so that no row of the CDM has them",
                query=f"SELECT count(*) FROM {_CONCEPT} WHERE concept_id IN ({_ids(standard)}) "  # noqa: S608
                "AND standard_concept IS DISTINCT FROM 'S'",
            )
        )
    return tuple(rules)


def _where_persons(condition: str) -> str:
    """1 where the condition holds; 0 while the database has no person: such an opening looks at columns alone."""
    return _counted(f"SELECT CASE WHEN {condition} THEN 1 ELSE 0 END")


def _counted(query: str) -> str:
    persons = quoted(typed_table(PERSON))
    return f"SELECT CASE WHEN EXISTS (SELECT 1 FROM {persons}) THEN ({query}) ELSE 0 END"  # noqa: S608
