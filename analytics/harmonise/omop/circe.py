"""A cohort definition of ATLAS as steps of SQL: each person's entries, with their first and last day.

Layer:       analytics.harmonise.omop.circe, above concept_sets.
Terms:       a *definition* is Circe's JSON; its statements come from ``duckcdm``, the extra ``crossward[omop]``, which is
             imported only where a mapping names a cohort.
Guarantees:  the statements are taken apart and only these are used: a temporary table made of one SELECT, over tables of the
             CDM that are listed here and over the definition's own temporary tables. Any other statement or table refuses the
             definition when it is read. The definition's text is never SQL of this program.
See instead: what is refused (docs/omop.md).
Source:      ours; OHDSI, circe-be, whose port duckcdm is.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from analytics.harmonise.omop.cdm import PERSON, cdm_columns, typed_table
from analytics.harmonise.omop.circe_keys import KEYS
from analytics.harmonise.omop.codeset_joins import joined_columns
from analytics.harmonise.omop.concept_sets import Item, read_items
from analytics.harmonise.places import near
from analytics.sources.steps.step import MAIN, Step
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlglot import exp

_SCHEMA: Final = "cdm_of_the_site"
_TARGET: Final = "entries_of_the_cohort"
_CODESETS: Final = "codesets"
_REFUSED_TABLES: Final = frozenset({"location"})  # where persons live: no part of a research table
_MOST_BYTES: Final = 4_000_000
_SET_KEYS: Final = frozenset({"CodesetId", "DrugCodesetId", "ConceptSetId"})
_NAMES: Final = {
    _CODESETS: "concept sets",
    "qualified_events": "qualified events",
    "inclusion_events": "events that meet a rule",
    "included_events": "events that meet all rules",
    "strategy_ends": "ends by the strategy",
    "cohort_rows": "entries",
    "final_cohort": "entries joined to eras",
    _TARGET: "cohort",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """A definition that was read and taken apart.

    Attributes:
        selects: the SELECT of each temporary table, in their order; several of one table are added up.
        reads: the columns of each table of the CDM.
        items: the lines of each of its concept sets, by their place in the definition.
        rules: names of its inclusion rules.
        joined: of each table that its criteria read, the columns that are held against concept sets; none where any row may
            count, or the vocabulary is read.
    """

    selects: tuple[tuple[str, exp.Expr], ...]
    reads: Mapping[str, frozenset[str]]
    items: Mapping[str, tuple[Item, ...]]
    rules: tuple[str, ...]
    joined: Mapping[str, frozenset[str]]


def cohort_table(name: str) -> str:
    """The name of a cohort's table: person_id, start_date, end_date."""
    return f"cohort#{name}"


def read_cohort(content: bytes) -> Cohort:
    """Read a definition and take its statements apart.

    Args:
        content: Circe's JSON, as ATLAS exports it.

    Raises:
        ValueError: it is no definition, or has a part that is not supported.
    """
    document = _document(content)
    items = _concept_sets(document)
    statements = _statements(json.dumps(document))
    selects: list[tuple[str, exp.Expr]] = []
    reads: dict[str, frozenset[str]] = {}
    declared: set[str] = set()
    for statement in statements:
        made = {name for name, _ in selects}
        found = _select(statement, made)
        if found is None:
            continue
        table, select = found
        if statement.expression is None:
            declared.add(table)
        elif table in declared:  # its rows follow the declaration
            declared.remove(table)
            selects = [each for each in selects if each[0] != table]
        selects.append((table, select))
        for name, columns in _reads(select, made).items():
            reads[name] = reads.get(name, frozenset()) | columns
    if not selects or selects[-1][0] != _TARGET:
        raise ValueError("duckcdm made no statement of the cohort's entries")
    rules = tuple(str(rule.get("name") or "") for rule in document.get("InclusionRules") or [])
    criteria = (select for table, select in selects if table != _CODESETS)
    joined = joined_columns(criteria, _SCHEMA, _CODESETS)
    return Cohort(selects=tuple(selects), reads=reads, items=items, rules=rules, joined=joined)


def _document(content: bytes) -> dict[str, Any]:
    if len(content) > _MOST_BYTES:
        raise ValueError("the file is too large for a cohort definition")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if isinstance(document, dict) and "PrimaryCriteria" not in document:
        document = document.get("expression", document)  # a definition with its name and author around it
    if not isinstance(document, dict) or "PrimaryCriteria" not in document:
        raise ValueError("it is no cohort definition of ATLAS: there is no PrimaryCriteria")
    _check_keys(document)
    return document


def _check_keys(node: Any, path: str = "") -> None:
    """Refuse a key that Circe would leave out unseen, and a text that its templates would read as their own.

    Raises:
        ValueError: there is one.
    """
    if isinstance(node, list):
        for value in node:
            _check_keys(value, path)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        here = f"{path}.{key}".lstrip(".")
        if key not in KEYS:
            raise ValueError(f"the key {here} is not known{near(key, sorted(KEYS))}")
        if key == "Text" and isinstance(value, str) and re.search(r"[{}@]", value):
            raise ValueError(f"{here}: a text may not hold any of {{ }} @")
        _check_keys(value, here)


def _concept_sets(document: dict[str, Any]) -> dict[str, tuple[Item, ...]]:
    """The lines of every concept set, and that no criterion names another one.

    Raises:
        ValueError: a set is malformed, or missing.
    """
    found: dict[str, tuple[Item, ...]] = {}
    known: set[int] = set()
    for place, each in enumerate(document.get("ConceptSets") or []):
        if not isinstance(each, dict) or not isinstance(each.get("id"), int):
            raise ValueError(f"ConceptSets {place}: there is no id")  # noqa: TRY004  a mistake of the file
        known.add(each["id"])
        name = each.get("name") or each["id"]
        try:
            found[f"concept set {name}"] = read_items(each.get("expression"))
        except ValueError as error:
            raise ValueError(f"ConceptSets {place}: {error}") from None
    for number in _set_numbers(document):
        if number not in known:
            raise ValueError(
                f"a criterion names the concept set {number}, which the definition does not have"
            )
    return found


def _set_numbers(node: Any) -> Iterator[int]:
    """Every concept set that a criterion names."""
    if isinstance(node, dict):
        for key, value in node.items():
            if (key in _SET_KEYS or key.endswith("CodesetId")) and isinstance(value, int):
                yield value
            yield from _set_numbers(value)
    elif isinstance(node, list):
        for value in node:
            yield from _set_numbers(value)


def _statements(text: str) -> list[exp.Expr]:
    """The parsed statements of duckcdm.

    Raises:
        ValueError: duckcdm is not installed, or does not take the definition.
    """
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        from duckcdm.circe import CirceError, build_cohort_query
        from duckcdm.sqlrender import render, translate
    except ImportError:
        raise ValueError("a cohort of ATLAS needs duckcdm: pip install 'crossward[omop]'") from None
    try:
        raw = build_cohort_query(text, cdm_schema=_SCHEMA, target_table=f"{_SCHEMA}.{_TARGET}", cohort_id=1)
        written = translate(render(raw), "duckdb")
    except CirceError as error:
        raise ValueError(f"duckcdm does not take the definition: {error}") from None
    except Exception as error:  # noqa: BLE001  a port of another program: whatever it raises, the definition is refused
        raise ValueError(f"duckcdm does not take the definition ({type(error).__name__})") from None
    try:
        return [each for each in sqlglot.parse(written, dialect="duckdb") if each is not None]
    except (SqlglotError, RecursionError):
        raise ValueError("the statements of duckcdm cannot be read") from None


def _select(statement: exp.Expr, made: set[str]) -> tuple[str, exp.Expr] | None:
    """A temporary table and its SELECT; None for a statement that makes no rows.

    Raises:
        ValueError: a statement of another kind.
    """
    from sqlglot import exp

    if isinstance(statement, exp.Analyze | exp.Drop | exp.Delete):
        return None  # of the definition's own tables, which are not made here
    target = statement.this
    if isinstance(target, exp.Schema):
        target = target.this
    if not isinstance(target, exp.Table) or not isinstance(statement, exp.Create | exp.Insert):
        raise ValueError(f"a statement {statement.key} of the definition is not supported")  # noqa: TRY004
    name = target.name.lower()
    if isinstance(statement, exp.Insert):
        is_own = name in {_TARGET, _CODESETS} or name in made
    else:
        is_own = statement.args.get("kind") == "TABLE" and not target.db
    if not is_own:
        raise ValueError(f"the definition writes into {name}")
    columns = statement.this.expressions if isinstance(statement.this, exp.Schema) else []
    select = statement.expression
    if select is None:
        return name, _empty(columns)
    if not isinstance(select, exp.Query):
        raise ValueError(f"a statement {statement.key} of the definition is not supported")  # noqa: TRY004
    select = select.copy()
    if (own := statement.args.get("with_")) is not None:
        select.set("with_", own.copy())
    if not isinstance(statement, exp.Insert) or not columns:
        return name, select
    alias = exp.TableAlias(this=exp.to_identifier("inserted"), columns=[each.copy() for each in columns])
    return name, exp.select("*").from_(exp.Subquery(this=select, alias=alias))


def _empty(columns: list[Any]) -> exp.Expr:
    """A table that is declared first and filled later, if at all."""
    from sqlglot import exp

    chosen = [
        exp.alias_(exp.Cast(this=exp.Null(), to=column.args["kind"].copy()), column.name)
        for column in columns
    ]
    return exp.select(*chosen).where(exp.false())


def _reads(select: exp.Expr, made: set[str]) -> dict[str, frozenset[str]]:
    """The tables of the CDM under a SELECT, with the columns whose names stand in it.

    Raises:
        ValueError: a table that is neither of the CDM nor of the definition.
    """
    from sqlglot import exp

    words = {each.name.lower() for each in select.find_all(exp.Column)}
    inner = {each.alias.lower() for each in select.find_all(exp.CTE)}
    found: dict[str, frozenset[str]] = {}
    for table in select.find_all(exp.Table):
        name = table.name.lower()
        if (
            table.db == _SCHEMA
            and not table.catalog
            and name in cdm_columns()
            and name not in _REFUSED_TABLES
        ):
            own = words & set(cdm_columns()[name])
            found[name] = found.get(name, frozenset()) | (own or {next(iter(cdm_columns()[name]))})
        elif table.db or table.catalog or name not in made | inner:
            raise ValueError(f"a criterion over the table {name} is not supported")
    return found


def cohort_steps(name: str, cohort: Cohort) -> Iterator[Step]:
    """The steps of a cohort; the last makes ``cohort_table(name)``.

    Args:
        name: of the mapping.
        cohort: the definition.
    """
    grouped: dict[str, list[exp.Expr]] = {}
    for table, select in cohort.selects:
        grouped.setdefault(table, []).append(select)
    tables = {table: f"cohort#{name}#{place}" for place, table in enumerate(grouped)}
    tables[_TARGET] = f"{cohort_table(name)}#all"
    for table, selects in grouped.items():
        parts = [_renamed(select, tables) for select in selects]
        yield Step(
            block=MAIN,
            what=f"cohort {name}: {_what(table, cohort)}",
            before=_before(selects[-1], table, tables),
            after=tables[table],
            sql=" UNION ALL ".join(f"({part})" for part in parts) if len(parts) > 1 else parts[0],
        )
    columns = "subject_id AS person_id, CAST(cohort_start_date AS DATE) AS start_date"
    yield Step(
        block=MAIN,
        what=f"cohort {name}: its dates",
        before=tables[_TARGET],
        after=cohort_table(name),
        sql=f"SELECT {columns}, CAST(cohort_end_date AS DATE) AS end_date FROM {quoted(tables[_TARGET])}",  # noqa: S608
    )


def _renamed(select: exp.Expr, tables: Mapping[str, str]) -> str:
    """A SELECT over the tables of the mapping's run."""
    from sqlglot import exp

    own = select.copy()
    inner = {each.alias.lower() for each in own.find_all(exp.CTE)}
    for table in list(own.find_all(exp.Table)):
        name = table.name.lower()
        if table.db:
            real = typed_table(name)
        elif name in tables and name not in inner:
            real = tables[name]
        else:
            continue
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
        table.set("this", exp.to_identifier(real, quoted=True))
        table.set("db", None)
    return own.sql(dialect="duckdb", comments=False)


def _before(select: exp.Expr, table: str, tables: Mapping[str, str]) -> str:
    """The table whose rows a step starts from: the first of the definition's own, else the persons."""
    from sqlglot import exp

    for each in select.find_all(exp.Table):
        name = each.name.lower()
        if not each.db and name in tables and name not in {table, _CODESETS}:
            return tables[name]
    return typed_table("concept" if table == _CODESETS else PERSON)


def _what(table: str, cohort: Cohort) -> str:
    if table.startswith("inclusion_") and table.removeprefix("inclusion_").isdigit():
        place = int(table.removeprefix("inclusion_"))
        name = cohort.rules[place] if place < len(cohort.rules) else ""
        return f"rule {place + 1} {name}".rstrip()
    return _NAMES.get(table, table)
