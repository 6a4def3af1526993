"""One column of a mapping as SQL: from the file's cell to a value, in two steps.

Layer:       analytics.harmonise.columns, above conversions and code_files.
Terms:       the *meant* text is the cell without blanks at its ends, after words, codes and hierarchies; NULL where it means
             "no value". The *value* is the meant text with its type and unit.
Guarantees:  a cell is never turned into a missing value unseen: each way has its count, and refuses where the rule says so.
             No expression can raise on any row.
See instead: the steps as a whole (``compiling``).
Source:      ours; docs/guarantees.md P5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from analytics.harmonise.code_files import CATEGORY_LENGTH, code_form_sql
from analytics.harmonise.units.analytes import conversion
from analytics.harmonise.units.conversions import DEFAULT_RESOLUTION, conversion_sql
from analytics.sources.cells import text_date, text_literal, text_number, words
from analytics.sources.steps.step import Rule
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.harmonise.mapping import ColumnRule
    from analytics.sources.spec import CellRules

UNREAD: Final = {
    "number": "a text that is no number",
    "date": "a text that is no date in the given formats",
    "boolean": "a text that is no word for yes and no",
}
_ADVICE: Final = 'correct the rows, list the words (missing, words), or write unread = "missing"'


@dataclass(frozen=True, slots=True, kw_only=True)
class MeantColumn:
    """The first step of a column.

    Attributes:
        sql: the meant text, over step 0 called ``s`` and its joins.
        joins: LEFT JOINs of code tables, whose keys are unique.
        rules: what is counted, over the same.
        unit: SQL of the row's unit; empty where the file has none for each row.
    """

    sql: str
    joins: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    unit: str = ""


def meant_column(name: str, rule: ColumnRule, tables: Mapping[str, str], place: int) -> MeantColumn:
    """Compile the first step of a column.

    Args:
        name: its name in the result.
        rule: the mapping's.
        tables: the code tables of ``codes`` and ``level``, and whether the code map's ``form`` is code.
        place: of the column among all, for the names of its joins.
    """
    cell = f"s.{quoted(rule.source or name)}"
    unit = f"trim(s.{quoted(rule.unit_from)})" if rule.unit_from is not None else ""
    absent = ", ".join(map(text_literal, ("", *(word.strip() for word in rule.missing))))
    meant = f"CASE WHEN trim({cell}) NOT IN ({absent}) THEN trim({cell}) END"
    joins: list[str] = []
    rules: list[Rule] = []
    if rule.words is not None:
        branches = " ".join(
            f"WHEN {text_literal(word.strip())} THEN {text_literal(meaning.strip())}"
            for word, meaning in rule.words.items()
        )
        found = f"CASE trim({cell}) {branches} END"
        rules += _coverage(name, rule, meant, found, ("words", "words without a meaning"))
        meant = _kept(found, meant, rule)
    if rule.codes is not None:
        key = code_form_sql(meant) if tables["form"] == "code" else meant
        joins.append(f"LEFT JOIN {quoted(tables['codes'])} AS m{place} ON m{place}.source = {key}")
        rules += _coverage(name, rule, meant, f"m{place}.target", ("codes", "codes without a target"))
        meant = _kept(f"m{place}.target", meant, rule)
    if rule.level is not None:
        key = f"substr({code_form_sql(meant)}, 1, {CATEGORY_LENGTH})"
        joins.append(f"LEFT JOIN {quoted(tables['level'])} AS h{place} ON h{place}.source = {key}")
        texts = (f"codes with a {rule.level}", f"codes without a {rule.level}")
        rules += _coverage(name, rule, meant, f"h{place}.target", texts)
        meant = _kept(f"h{place}.target", meant, rule)
    return MeantColumn(sql=meant, joins=tuple(joins), rules=tuple(rules), unit=unit)


def _kept(found: str, given: str, rule: ColumnRule) -> str:
    return f"COALESCE({found}, {given})" if rule.unmapped == "keep" else found


def _coverage(name: str, rule: ColumnRule, given: str, found: str, texts: tuple[str, str]) -> list[Rule]:
    """Two counts: values with a target, and values without one."""
    refusal = 'add them, or write unmapped = "missing" or "keep"' if rule.unmapped == "refuse" else ""
    return [
        Rule(name=f"column {name}: {texts[0]}", condition=f"({given}) IS NOT NULL AND ({found}) IS NOT NULL"),
        Rule(
            name=f"column {name}: {texts[1]}",
            condition=f"({given}) IS NOT NULL AND ({found}) IS NULL",
            refusal=refusal,
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedColumn:
    """The second step of a column: SQL of its value over the first step, and what is counted there."""

    sql: str
    rules: tuple[Rule, ...] = ()


def typed_column(
    name: str, rule: ColumnRule, cells: CellRules, resolution: Fraction | None, unit: str
) -> TypedColumn:
    """Compile the second step of a column.

    Args:
        name: its name.
        rule: the mapping's.
        cells: how the file's texts are written.
        resolution: of the schema's column; None where there is none.
        unit: the column of the rows' units in the first step; empty where there is none.

    Raises:
        ValueError: a unit cannot be converted.
    """
    text = quoted(name)
    if rule.type == "text":
        return TypedColumn(sql=text)
    own = replace(
        cells,
        decimal=rule.decimal or cells.decimal,
        yes=rule.yes or cells.yes,
        no=rule.no or cells.no,
        dates=rule.formats or cells.dates,
    )
    value = _value(rule.type, text, own)
    unread = Rule(
        name=f"column {name}: {UNREAD[rule.type]}",
        condition=f"{text} IS NOT NULL AND ({value}) IS NULL",
        refusal=_ADVICE if rule.unread == "refuse" else "",
    )
    if rule.to_unit is None:
        return TypedColumn(sql=value, rules=(unread,))
    grid = Fraction(1, 10**rule.digits) if rule.digits is not None else resolution or DEFAULT_RESOLUTION
    point = text if own.decimal == "." else f"replace({text}, ',', '.')"
    read = f"CASE WHEN ({value}) IS NOT NULL THEN {point} END"
    if rule.unit is not None:
        sql, rules = _from_unit(name, rule, rule.unit, grid, (read, value))
    else:
        sql, rules = _from_units(name, rule, quoted(unit), grid, (read, value))
    return TypedColumn(sql=sql, rules=(unread, *rules))


def _value(kind: str, text: str, cells: CellRules) -> str:
    if kind == "number":
        number = text_number(text, cells)
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    if kind == "date":
        return text_date(text, cells)
    yes, no = words(cells.yes), words(cells.no)
    return f"CASE WHEN lower({text}) IN {yes} THEN TRUE WHEN lower({text}) IN {no} THEN FALSE END"


def _from_unit(
    name: str, rule: ColumnRule, unit: str, grid: Fraction, cell: tuple[str, str]
) -> tuple[str, list[Rule]]:
    """The value in the schema's unit, of a column in one unit."""
    text, value = cell
    sql = conversion_sql(conversion(unit, rule.to_unit or "", rule.analyte), grid, text, value)
    return sql, [Rule(name=f"column {name}: {unit} to {rule.to_unit}", condition=f"({value}) IS NOT NULL")]


def _from_units(
    name: str, rule: ColumnRule, unit: str, grid: Fraction, cell: tuple[str, str]
) -> tuple[str, list[Rule]]:
    """The value in the schema's unit, of a column whose rows name their units."""
    text, value = cell
    spelled = {code: code for code in rule.units} | dict(rule.unit_words)
    branches, rules = [], []
    for word, code in spelled.items():
        own = conversion_sql(conversion(code, rule.to_unit or "", rule.analyte), grid, text, value)
        branches.append(f"WHEN {text_literal(word.strip())} THEN {own}")
        condition = f"({value}) IS NOT NULL AND {unit} = {text_literal(word.strip())}"
        rules.append(Rule(name=f"column {name}: {word} to {rule.to_unit}", condition=condition))
    known = ", ".join(text_literal(word.strip()) for word in spelled)
    rules.append(
        Rule(
            name=f"column {name}: values without a known unit",
            condition=f"({value}) IS NOT NULL AND COALESCE({unit} NOT IN ({known}), TRUE)",
            refusal='list it (units, unit_words), or write unknown_unit = "missing"'
            if rule.unknown_unit == "refuse"
            else "",
        )
    )
    return f"CASE {unit} {' '.join(branches)} END", rules
