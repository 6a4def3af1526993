"""An OMOP mapping's steps of SQL, from the tables of the CDM to one row a person.

Layer:       analytics.harmonise.omop.compiling, above the columns.
Terms:       the order is fixed: types, concept sets, cohorts, index date, one step a column, the research table, then ranges,
             derived columns, missing values and scales as in every mapping.
Guarantees:  each step is one SELECT over tables before it; nothing of it depends on rows. The research table has one row a
             person, which depends on the rows of that person and on the vocabulary alone.
See instead: running them (``analytics.sources.preparation``).
Source:      ours.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from analytics.harmonise.expressions import derived_sql
from analytics.harmonise.made import OTHER, Made, check_new
from analytics.harmonise.omop.cdm import (
    PERSON,
    VOCABULARY,
    block_of,
    cdm_columns,
    text_table,
    typed_cell,
    typed_sql,
    typed_table,
)
from analytics.harmonise.omop.circe import cohort_steps
from analytics.harmonise.omop.concept_sets import set_sql, set_table, unknown_rules, vocabulary_of
from analytics.harmonise.omop.event_columns import column_reads, column_step, column_table, figure_column
from analytics.harmonise.omop.index_dates import INDEX, index_reads, index_steps
from analytics.harmonise.omop.keys import VALUES
from analytics.harmonise.omop.person_columns import person_column, person_reads
from analytics.harmonise.row_steps import in_ranges, scaled, without_missing
from analytics.sources.steps.step import MAIN, Rule, Step, Steps
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from fractions import Fraction

    from analytics.harmonise.omop.circe import Cohort
    from analytics.harmonise.omop.concept_sets import Item
    from analytics.harmonise.omop.keys import OmopFile
    from analytics.sources.spec import CellRules

_RESEARCH: Final = "research#"


def reads_of(
    file: OmopFile, sets: Mapping[str, Sequence[Item]], cohorts: Mapping[str, Cohort]
) -> dict[str, tuple[str, ...]]:
    """The columns of the CDM that a mapping reads, by table; the persons first, then the vocabulary."""
    found: set[tuple[str, str]] = {(PERSON, "person_id")} | index_reads(file.index)
    for items in (*sets.values(), *(each for cohort in cohorts.values() for each in cohort.items.values())):
        found |= vocabulary_of(items)
    for cohort in cohorts.values():
        found |= {(table, column) for table, columns in cohort.reads.items() for column in columns}
    for own in file.columns.values():
        found |= column_reads(own)
        if own.table == PERSON:
            found |= {(PERSON, column) for column in person_reads(own)}
    tables = {table for table, _ in found}
    order = [PERSON, *(each for each in VOCABULARY if each in tables)]
    order += [each for each in cdm_columns() if each in tables and each not in order]
    return {
        table: tuple(column for column in cdm_columns()[table] if (table, column) in found) for table in order
    }


def compile_steps(
    file: OmopFile,
    sets: Mapping[str, Sequence[Item]],
    cohorts: Mapping[str, Cohort],
    reads: Mapping[str, Sequence[str]],
    cells: CellRules,
    resolutions: Mapping[str, Fraction],
) -> Steps:
    """Compile a whole mapping.

    Args:
        file: the mapping.
        sets: the lines of its concept sets.
        cohorts: its cohorts.
        reads: from ``reads_of``.
        cells: how the source's texts are written.
        resolutions: of the schema's numeric columns; empty while there is no schema.

    Raises:
        RuleError: a rule does not fit the columns.
    """
    steps = [_typed(table, columns, cells) for table, columns in reads.items()]
    steps += [_set(name, items) for name, items in sets.items()]
    for name, cohort in cohorts.items():
        first, *others = cohort_steps(name, cohort)
        rules = [
            rule
            for own, items in cohort.items.items()
            for rule in unknown_rules(f"cohort {name}, {own}", items)
        ]
        steps += [replace(first, rules=(*first.rules, *rules)), *others]
    steps += index_steps(file.index)
    steps += [
        column_step(name, own, resolutions.get(name))
        for name, own in file.columns.items()
        if own.table != PERSON
    ]
    research = _research(file)
    steps.append(_step(research, typed_table(PERSON), _RESEARCH))
    table = _RESEARCH
    for place, made in enumerate(_Rest(file, dict(research.columns)).made()):
        before, table = table, f"{_RESEARCH}{place}"
        steps.append(_step(made, before, table))
    return Steps(steps=tuple(steps), result=table, most_lost=file.most_lost)


def _step(made: Made, before: str, after: str) -> Step:
    """A step of the research table in its place."""
    return Step(
        block=MAIN,
        what=made.what,
        before=before,
        after=after,
        sql=made.sql,
        rules=made.rules,
        counted=made.counted,
        loses_rows=made.loses_rows,
    )


def _set(name: str, items: Sequence[Item]) -> Step:
    """The step of a concept set."""
    return Step(
        block="concept",
        what=f"concept set {name}",
        before=typed_table("concept"),
        after=set_table(name),
        sql=set_sql(items),
        rules=unknown_rules(f"concept set {name}", items),
    )


def _typed(table: str, columns: Sequence[str], cells: CellRules) -> Step:
    """A table with its types, and what no table of its kind may hold."""
    sql, rules = typed_sql(table, columns, cells)
    key = {PERSON: "person_id", "concept": "concept_id"}.get(table)
    more: list[Rule] = []
    if key is not None:
        value = typed_cell(f"NULLIF(trim({quoted(key)}), '')", "BIGINT", cells)
        several = f"SELECT {value} AS k FROM {quoted(text_table(table))} GROUP BY k HAVING count(*) > 1"  # noqa: S608
        more = [
            Rule(
                name=f"{table}: {key} with several rows",
                query=f"SELECT count(*) FROM ({several}) AS s",  # noqa: S608
                refusal="the OMOP CDM declares one row for each",
            ),
            Rule(
                name=f"{table}: rows without {key}",
                condition=f"{value} IS NULL",
                refusal="the OMOP CDM declares one for each row",
            ),
        ]
    elif "person_id" in columns:
        value = typed_cell("NULLIF(trim(person_id), '')", "BIGINT", cells)
        persons = quoted(typed_table(PERSON))
        condition = f"COALESCE({value} NOT IN (SELECT person_id FROM {persons}), TRUE)"  # noqa: S608
        more = [Rule(name=f"{table}: rows of no person of the table person", condition=condition)]
    return Step(
        block=block_of(table),
        what=f"types of {table}",
        before=text_table(table),
        after=typed_table(table),
        sql=sql,
        rules=(*rules, *more),
    )


def _research(file: OmopFile) -> Made:
    """One row a person: the persons, their index dates, and one column a step."""
    chosen, kinds = [f"p.person_id AS {quoted(file.person)}"], {file.person: OTHER}
    rules: list[Rule] = []
    joins = []
    for name, own in file.columns.items():
        check_new(name, kinds, "columns")
        if own.table == PERSON:
            column = person_column(name, own)
        else:
            column = figure_column(name, own)
            table = quoted(column_table(name))
            joins.append(f"LEFT JOIN {table} ON {table}.person_id = p.person_id")
        kinds[name] = column.kind
        chosen.append(f"{column.sql} AS {quoted(name)}")
        rules += column.rules
    persons = quoted(typed_table(PERSON))
    is_kept = file.index.without == "keep"
    indexed = f"{quoted(INDEX)} AS i ON i.person_id = p.person_id"
    every = f"{persons} AS p LEFT JOIN {indexed} {' '.join(joins)}".strip()
    if not is_kept:
        has_none = f"EXISTS (SELECT 1 FROM {persons}) AND NOT EXISTS (SELECT 1 FROM {quoted(INDEX)})"  # noqa: S608
        rules.append(
            Rule(
                name="research table: no person has an index date",
                query=f"SELECT CASE WHEN {has_none} THEN 1 ELSE 0 END",
                refusal="look at the steps before it",
            )
        )
    where = "" if is_kept else " WHERE i.index_date IS NOT NULL"
    return Made(
        what="research table",
        sql=f"SELECT {', '.join(chosen)} FROM {every}{where}",  # noqa: S608  quoted names
        columns=kinds,
        rules=tuple(rules),
        counted=every,
    )


class _Rest:
    """The steps after the research table, which are those of every mapping."""

    def __init__(self, file: OmopFile, columns: dict[str, str]) -> None:
        self._file, self._columns, self._table, self._count = file, columns, _RESEARCH, 0

    def made(self) -> Iterator[Made]:
        """Each in its order; its table is the next one's."""
        own = self._file
        ranges = {
            name: each.range
            for name, each in own.columns.items()
            if each.range is not None and each.take not in VALUES
        }
        if ranges:
            yield self._placed(in_ranges(self._table, self._columns, ranges))
        for name, derived in own.derive.items():
            place = f"derive.{name}"
            check_new(name, self._columns, place)
            usable = {each: kind for each, kind in self._columns.items() if kind != OTHER}
            sql, kind = derived_sql(derived.expression, usable, place)
            yield self._placed(
                Made(
                    what=f"derived column {name}",
                    sql=f"SELECT *, {sql} AS {quoted(name)} FROM {quoted(self._table)}",  # noqa: S608
                    columns={**self._columns, name: kind},
                )
            )
            if derived.range is not None:
                yield self._placed(in_ranges(self._table, self._columns, {name: derived.range}))
        if own.missing:
            yield self._placed(without_missing(self._table, self._columns, own.missing))
        if own.scale:
            yield self._placed(scaled(self._table, self._columns, own.scale))

    def _placed(self, made: Made) -> Made:
        self._table = f"{_RESEARCH}{self._count}"
        self._count += 1
        self._columns = dict(made.columns)
        return made
