"""Runs a mapping's steps over a site's open files: one temporary table a step, and its counts.

Layer:       analytics.sources.preparation.run, above steps and projection.
Guarantees:  a row that a rule refuses refuses the source before its table is used; the reason names a rule and no cell.
             No step can fail because of a row: a failure is reported by its class alone.
See instead: the statements (``analytics.harmonise``), what follows (``analytics.sources.ingest``).
Source:      ours; docs/guarantees.md P5, P19.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.sources.cells import cell_text
from analytics.sources.cleaning import all_faults, of_all_sources
from analytics.sources.formats.base import Relation, described
from analytics.sources.projection import source_names, source_query
from analytics.sources.steps.step import MAIN, StepReport
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from analytics.sources.spec import CellRules, Preparation
    from analytics.sources.steps.step import BlockRead, Step, Steps

RESULT: Final = "harmonised"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A mapping that ran.

    Attributes:
        relation: its result as a source.
        steps: what each step did.
        plan: the statements.
        reads: what was read of each block's file.
        n_codes: the number of pairs of each code table.
    """

    relation: Relation
    steps: tuple[StepReport, ...]
    plan: Steps
    reads: Mapping[str, BlockRead]
    n_codes: Mapping[str, int]


def prepared(
    connection: duckdb.DuckDBPyConnection,
    preparation: Preparation,
    relations: Mapping[str, tuple[Relation, CellRules, str]],
    *,
    resolutions: Mapping[str, Fraction],
    refuses: bool = True,
) -> Prepared:
    """Run a mapping.

    Visible to: the site alone.

    Args:
        connection: a shut database.
        preparation: the mapping.
        relations: for each block its open source, how its texts are written, and its name for messages.
        resolutions: of the schema's numeric columns; empty while there is no schema.
        refuses: whether a refusal stops; else the reports name it, for a check.

    Returns:
        The harmonised rows as a source, which is the table ``RESULT``, and what each step did.

    Raises:
        SchemaMismatchError: a file is not of its kind, a column is missing, or a rule refuses the rows.
    """
    reads = preparation.reads()
    columns = _loaded(connection, reads, relations)
    plan = preparation.compile(columns, {block: relations[block][1] for block in reads}, resolutions)
    for name, pairs in preparation.codes.items():
        connection.execute(f"CREATE TEMP TABLE {quoted(name)} (source VARCHAR, target VARCHAR)")
        sides = [[key for key, _ in pairs], [target for _, target in pairs]]
        connection.execute(f"INSERT INTO {quoted(name)} SELECT unnest(?), unnest(?)", sides)
    made = [*(read.table for read in reads.values()), *preparation.codes]
    reports: list[StepReport] = []
    for place, step in enumerate(plan.steps):
        source = relations[step.block][2]
        try:
            reports.append(_run(connection, step, source, refuses=refuses))
        except duckdb.Error as error:
            reason = f"the mapping's step {step.what} cannot be computed ({type(error).__name__})"
            raise SchemaMismatchError(source=source, reason=reason) from None
        made.append(step.after)
        if refuses:
            _check_lost(plan, place, reports, source)
        _drop_unused(connection, plan, place, made)
    connection.execute(f"ALTER TABLE {quoted(plan.result)} RENAME TO {quoted(RESULT)}")
    return Prepared(
        relation=_as_source(connection, RESULT),
        steps=tuple(reports),
        plan=plan,
        reads=reads,
        n_codes={name: len(pairs) for name, pairs in preparation.codes.items()},
    )


def _loaded(
    connection: duckdb.DuckDBPyConnection,
    reads: Mapping[str, BlockRead],
    relations: Mapping[str, tuple[Relation, CellRules, str]],
) -> dict[str, tuple[str, ...]]:
    """Step 0 of every block, and its columns' names.

    Raises:
        SchemaMismatchError: files cannot be read or lack columns; it names all of them.
    """
    found: dict[str, tuple[str, ...]] = {}
    faults: list[SchemaMismatchError] = []
    for block, read in reads.items():
        try:
            found[block] = _load(connection, read, *relations[block])
        except SchemaMismatchError as fault:
            faults.append(fault)
    if faults:
        raise of_all_sources(faults)
    return found


def _load(
    connection: duckdb.DuckDBPyConnection, read: BlockRead, relation: Relation, rules: CellRules, source: str
) -> tuple[str, ...]:
    """Step 0: the columns that the mapping uses, as texts; the rest as it stands.

    Returns:
        Its columns' names: those of the mapping, then those of the rest.
    """
    wanted = {*read.columns, *(relation.names if read.keeps_rest else ())}
    names = source_names(relation.names, wanted, source)
    used = _found(read, names, source)
    types = dict(zip(names, relation.types, strict=True))
    chosen = [f"{_text(quoted(own), types[own])} AS {quoted(name)}" for name, own in used.items()]
    rest = [name for name in names if name not in used.values()] if read.keeps_rest else []
    chosen += map(quoted, rest)
    query = source_query(relation, names, rules, is_empty=False)
    texts = f"SELECT {', '.join(chosen)} FROM ({query})"  # noqa: S608
    if read.condition:
        texts = f"SELECT * FROM ({texts}) AS texts WHERE {read.condition}"  # noqa: S608
    statement = f"CREATE TEMP TABLE {quoted(read.table)} AS {texts}"
    failed: duckdb.Error | None = None
    try:
        connection.execute(statement)
    except duckdb.Error as error:
        failed = error
    fault = relation.fault(failed)
    if not fault and failed is not None:
        fault = f"the rows cannot be read ({type(failed).__name__})"
    if fault:
        raise SchemaMismatchError(source=source, reason=fault)
    return (*used, *rest)


def _found(read: BlockRead, names: Sequence[str], source: str) -> dict[str, str]:
    """The file's own name of each column that the mapping uses.

    Raises:
        SchemaMismatchError: the file lacks columns; it names all of them.
    """
    found: dict[str, str] = {}
    faults: list[SchemaMismatchError] = []
    for name, place in read.columns.items():
        try:
            found[name] = _find(name, place, names, source)
        except SchemaMismatchError as fault:
            faults.append(fault)
    if faults:
        raise all_faults(faults)
    return found


def _find(name: str, place: str, names: Sequence[str], source: str) -> str:
    alike = [own for own in names if own == name] or [own for own in names if own.lower() == name.lower()]
    if len(alike) != 1:
        reason = f"there is no such column in the file; the mapping asks for it at {place}"
        raise SchemaMismatchError(source=source, column=name, reason=reason)
    return alike[0]


def _text(raw: str, kind: str) -> str:
    """The cell's text, of a file's cell with its blanks."""
    if kind == "VARCHAR":
        return raw
    return cell_text(raw, kind) or f"CAST({raw} AS VARCHAR)"


def _run(connection: duckdb.DuckDBPyConnection, step: Step, source: str, *, refuses: bool) -> StepReport:
    """One step: its counts, what it refuses, its table."""
    counted_from = step.counted or quoted(step.before)
    conditions = [rule for rule in step.rules if not rule.query]
    counted = "".join(f", count(*) FILTER (WHERE {rule.condition})" for rule in conditions)
    row = connection.execute(f"SELECT count(*){counted} FROM {counted_from}").fetchone() or ()  # noqa: S608
    before, *counts = map(int, row)
    touched = {rule.name: count for rule, count in zip(conditions, counts, strict=True)}
    touched |= {rule.name: _number(connection, rule.query) for rule in step.rules if rule.query}
    refused = [rule for rule in step.rules if rule.refusal and touched[rule.name]]
    if refused and refuses:
        raise SchemaMismatchError(source=source, reason=f"{refused[0].name}: {refused[0].refusal}")
    connection.execute(f"CREATE TEMP TABLE {quoted(step.after)} AS {step.sql}")
    after = _number(connection, f"SELECT count(*) FROM {quoted(step.after)}")  # noqa: S608
    shown = {rule.name: touched[rule.name] for rule in step.rules}
    return StepReport(
        block=step.block,
        what=step.what,
        rows_before=before,
        rows_after=after,
        touched=shown,
        refusals={rule.name: rule.refusal for rule in refused},
    )


def _number(connection: duckdb.DuckDBPyConnection, statement: str) -> int:
    row = connection.execute(statement).fetchone()
    return int(row[0] or 0) if row else 0


def _drop_unused(connection: duckdb.DuckDBPyConnection, plan: Steps, place: int, made: list[str]) -> None:
    """Drop every table that no later step reads: rows stay in memory no longer than they are needed."""
    later = plan.steps[place + 1 :]
    texts = [
        text
        for step in later
        for text in (step.sql, step.counted, quoted(step.before), *(rule.query for rule in step.rules))
    ]
    texts += [rule.condition for step in later for rule in step.rules]
    for name in [name for name in made if name != plan.result]:
        if not any(quoted(name) in text for text in texts):
            connection.execute(f"DROP TABLE {quoted(name)}")
            made.remove(name)


def _check_lost(plan: Steps, place: int, reports: Sequence[StepReport], source: str) -> None:
    """Refuse a mapping that loses too large a share of the main file's rows."""
    step = plan.steps[place]
    if step.block != MAIN or not step.loses_rows:
        return
    own = [(each, report) for each, report in zip(plan.steps, reports, strict=False) if each.block == MAIN]
    read = own[0][1].rows_before
    lost = sum(report.rows_before - report.rows_after for each, report in own if each.loses_rows)
    is_empty = not own[-1][1].rows_after
    if lost and (is_empty or lost > plan.most_lost * read):
        share = "all rows" if is_empty else f"more than {float(plan.most_lost):g} of the rows (most_lost)"
        reason = f"the mapping loses {share}, the last of them in its step {step.what}"
        raise SchemaMismatchError(source=source, reason=reason)


def _as_source(connection: duckdb.DuckDBPyConnection, table: str) -> Relation:
    names, types = described(connection, quoted(table))
    chosen = ", ".join(f"{quoted(name)} AS c{place}" for place, name in enumerate(names))
    rows = f"SELECT {chosen} FROM {quoted(table)}"  # noqa: S608  quoted names
    return Relation(names=names, types=types, sql=f"({rows})", empty=f"({rows} LIMIT 0)")
