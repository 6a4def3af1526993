"""A mapping's blocks as steps of SQL.

Layer:       analytics.harmonise.compiling, above the steps.
Terms:       the order of a block is fixed: words and codes, types and units, ranges, duplicates, joins, derived columns,
             roll-up, missing values, scales.
Guarantees:  each step is one SELECT over the table before it; nothing of it depends on rows.
See instead: running them (``analytics.sources.preparation``), reading a file (``reading``).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.harmonise.columns import meant_column, typed_column
from analytics.harmonise.expressions import derived_sql
from analytics.harmonise.made import OTHER, Made, RuleError, check_new
from analytics.harmonise.row_steps import in_ranges, scaled, without_duplicates, without_missing
from analytics.harmonise.table_steps import joined, rolled_up
from analytics.sources.steps.step import MAIN, BlockRead, Step, Steps
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from fractions import Fraction

    from analytics.harmonise.mapping import Block, ColumnRule, MappingFile
    from analytics.sources.spec import CellRules

DEFAULT_HIERARCHY = "icd10cm"


def first_table(block: str) -> str:
    """The name of a block's step 0."""
    return f"{block}#0"


def codes_table(name: str) -> str:
    """The name of a code map's table."""
    return f"codes#{name}"


def level_table(hierarchy: str, level: str) -> str:
    """The name of the table of one level of a hierarchy."""
    return f"level#{hierarchy}#{level}"


def blocks_of(file: MappingFile) -> dict[str, Block]:
    """Every block by name, each after those that it joins.

    Raises:
        RuleError: a join names no block, or blocks join each other in a circle.
    """
    every: dict[str, Block] = {MAIN: file.table, **file.inputs}
    found: dict[str, Block] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise RuleError(f"join.{name}: blocks join each other in a circle")
        for other in every[name].join:
            if other not in file.inputs:
                known = ", ".join(file.inputs) or "none"
                raise RuleError(f"{name}: join.{other}: there is no inputs.{other}; there are: {known}")
            visit(other, (*path, name))
        found.setdefault(name, every[name])

    for name in (*file.inputs, MAIN):
        visit(name, ())
    return found


def reads_of(file: MappingFile, places: Mapping[str, str]) -> dict[str, BlockRead]:
    """What is read of each block's file.

    Args:
        file: the mapping.
        places: where the mapping names each column, by ``block.column``.

    Raises:
        RuleError: two columns are taken from names that differ in upper and lower case alone.
    """
    found = {}
    for name, block in blocks_of(file).items():
        columns: dict[str, str] = {}
        for own, rule in block.columns.items():
            place = places.get(f"{name}.{own}", "")
            for used in (rule.source or own, rule.unit_from):
                if used is not None and used not in columns:
                    check_new(
                        used, columns, f"columns.{own}"
                    )  # upper and lower case are one name in the database
                    columns[used] = place
        found[name] = BlockRead(
            table=first_table(name), columns=columns, keeps_rest=block.other_columns == "keep"
        )
    return found


def compile_steps(
    file: MappingFile,
    columns: Mapping[str, Sequence[str]],
    cells: Mapping[str, CellRules],
    resolutions: Mapping[str, Fraction],
) -> Steps:
    """Compile a whole mapping; arguments as ``Preparation.compile``.

    Raises:
        RuleError: a rule does not fit the columns.
    """
    steps: list[Step] = []
    last: dict[str, tuple[str, Mapping[str, str]]] = {}
    for name, block in blocks_of(file).items():
        place = _Block(file, name, block, columns[name], last)
        steps += map(place.placed, place.made(cells[name], resolutions if name == MAIN else {}))
        last[name] = (place.table, place.columns)
    return Steps(steps=tuple(steps), result=last[MAIN][0], most_lost=file.table.most_lost)


class _Block:
    """One block while its steps are compiled: the last table so far, and its columns."""

    def __init__(
        self,
        file: MappingFile,
        name: str,
        block: Block,
        given: Sequence[str],
        others: Mapping[str, tuple[str, Mapping[str, str]]],
    ) -> None:
        self._file, self._name, self._block, self._others = file, name, block, others
        self._given = given
        self._count = 0
        self.table = first_table(name)
        self.columns: dict[str, str] = dict.fromkeys(given, OTHER)

    def placed(self, made: Made) -> Step:
        """Give a step its place; the next one reads its table."""
        self._count += 1
        before, self.table = self.table, f"{self._name}#{self._count}"
        self.columns = dict(made.columns)
        return Step(
            block=self._name,
            what=made.what,
            before=before,
            after=self.table,
            sql=made.sql,
            rules=made.rules,
            counted=made.counted,
            loses_rows=made.loses_rows,
        )

    def made(self, cells: CellRules, resolutions: Mapping[str, Fraction]) -> Iterator[Made]:
        """The block's steps in their order; each is made when the one before has its place."""
        own = self._block
        if own.columns:
            yield from self._cells(cells, resolutions)
        if ranges := {name: rule.range for name, rule in own.columns.items() if rule.range is not None}:
            yield in_ranges(self.table, self.columns, ranges)
        if own.duplicates is not None:
            yield without_duplicates(self.table, self.columns, own.duplicates)
        for name, join in own.join.items():
            yield joined(self.table, self.columns, name, join, self._others[name])
        for name, derived in own.derive.items():
            yield self._derived(name, derived.expression)
            if derived.range is not None:
                yield in_ranges(self.table, self.columns, {name: derived.range})
        if own.rollup is not None:
            yield rolled_up(self.table, self.columns, own.rollup)
        if own.missing:
            yield without_missing(self.table, self.columns, own.missing)
        if own.scale:
            yield scaled(self.table, self.columns, own.scale)

    def _cells(self, cells: CellRules, resolutions: Mapping[str, Fraction]) -> Iterator[Made]:
        """Words and codes, then types and units."""
        rules = self._block.columns
        used = {
            name for rule_name, rule in rules.items() for name in (rule.source or rule_name, rule.unit_from)
        }
        rest = [name for name in self._given if name not in used]
        kinds: dict[str, str] = {}
        for name in rules:
            check_new(name, kinds, "columns")
            kinds[name] = "text"
        for name in rest:
            check_new(name, kinds, "other_columns")
            kinds[name] = OTHER
        meant = {
            name: meant_column(name, rule, self._tables(rule), place)
            for place, (name, rule) in enumerate(rules.items())
        }
        units = {name: f"unit#{name}" for name, column in meant.items() if column.unit}
        joins = " ".join(join for column in meant.values() for join in column.joins)
        chosen = [f"{column.sql} AS {quoted(name)}" for name, column in meant.items()]
        chosen += [f"{meant[name].unit} AS {quoted(unit)}" for name, unit in units.items()]
        chosen += [f"s.{quoted(name)}" for name in rest]
        counted = f"{quoted(self.table)} AS s {joins}".strip()
        yield Made(
            what="words and codes",
            sql=f"SELECT {', '.join(chosen)} FROM {counted}",  # noqa: S608
            columns=kinds,
            rules=tuple(rule for column in meant.values() for rule in column.rules),
            counted=counted,
        )
        typed = {}
        for name, rule in rules.items():
            try:
                typed[name] = typed_column(name, rule, cells, resolutions.get(name), units.get(name, ""))
            except ValueError as error:
                raise RuleError(f"columns.{name}: {error}") from None
        chosen = [f"{column.sql} AS {quoted(name)}" for name, column in typed.items()]
        chosen += [quoted(name) for name in rest]
        yield Made(
            what="types and units",
            sql=f"SELECT {', '.join(chosen)} FROM {quoted(self.table)}",  # noqa: S608
            columns={name: rules[name].type if name in rules else OTHER for name in kinds},
            rules=tuple(rule for column in typed.values() for rule in column.rules),
        )

    def _tables(self, rule: ColumnRule) -> dict[str, str]:
        found = {}
        if rule.codes is not None:
            found["codes"] = codes_table(rule.codes)
            found["form"] = self._file.codes[rule.codes].form
        if rule.level is not None:
            found["level"] = level_table(rule.hierarchy or DEFAULT_HIERARCHY, rule.level)
        return found

    def _derived(self, name: str, expression: str) -> Made:
        place = f"derive.{name}"
        check_new(name, self.columns, place)
        usable = {own: kind for own, kind in self.columns.items() if kind != OTHER}
        sql, kind = derived_sql(expression, usable, place)
        return Made(
            what=f"derived column {name}",
            sql=f"SELECT *, {sql} AS {quoted(name)} FROM {quoted(self.table)}",  # noqa: S608
            columns={**self.columns, name: kind},
        )
