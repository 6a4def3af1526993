"""The language of derived columns: a small part of SQL, checked, whose SQL no row can make fail.

Layer:       analytics.harmonise.expressions, above made.
Terms:       an expression has a kind: number, text, date or boolean. Numbers are in double precision.
Guarantees:  nothing but the nodes and functions named here is accepted; every use of a kind is checked before rows are
             read. A division by zero, a logarithm of 0, an overflow and their like give a missing value: the result and
             both sides of a comparison are finite or missing.
See instead: questions of analysts (``analytics.sql``), which is another language.
Source:      ours; sqlglot's parser.
"""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import sqlglot
from sqlglot import exp

from analytics.harmonise.made import RuleError, check_column, nearest, number_sql
from analytics.sources.cells import text_literal
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Typed = tuple[str, str]  # SQL and kind
_MOST_NODES: Final = 200
_MOST_CHARACTERS: Final = 10_000
_COMPARISONS: Final = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_ARITHMETIC: Final = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
_ONE_NUMBER: Final = {
    exp.Abs: "abs({})",
    exp.Floor: "floor({})",
    exp.Ceil: "ceil({})",
    exp.Exp: "exp({})",
    exp.Ln: "ln({})",
    exp.Sqrt: "sqrt({})",
}
_ONE_DATE: Final = {exp.Year: "year", exp.Month: "month"}
_FUNCTIONS: Final = (
    *(
        "abs",
        "floor",
        "ceil",
        "round",
        "exp",
        "ln",
        "log10",
        "sqrt",
        "power",
        "least",
        "greatest",
        "coalesce",
    ),
    *(
        "nullif",
        "year",
        "month",
        "years_between",
        "days_between",
        "lower",
        "upper",
        "substr",
        "CASE",
        "IN",
        "BETWEEN",
    ),
)


def finite(number: str) -> str:
    """SQL of a number that is missing where it is infinite or NaN; it holds the number once, so that nesting costs little."""
    return f"list_extract(list_filter([{number}], lambda x: isfinite(x)), 1)"  # DuckDB's


def derived_sql(text: str, columns: Mapping[str, str], place: str) -> Typed:
    """Check and compile an expression.

    Args:
        text: as the mapping writes it.
        columns: the kind of each column that it may use.
        place: where it stands, for messages.

    Returns:
        SQL and kind.

    Raises:
        RuleError: it is no expression of this language.
    """
    try:
        tree = sqlglot.parse_one(text, dialect="duckdb")
    except (sqlglot.errors.SqlglotError, RecursionError):
        raise RuleError(f"{place}: it is not one expression") from None
    if sum(1 for _ in tree.walk()) > _MOST_NODES:
        raise RuleError(f"{place}: it has more than {_MOST_NODES} parts: make it of several derived columns")
    sql, kind = _Compiler(columns, place).compile(tree)
    if kind == "null":
        raise RuleError(f"{place}: it is always missing")
    return (finite(sql) if kind == "number" else sql), kind


class _Compiler:
    """One expression."""

    def __init__(self, columns: Mapping[str, str], place: str) -> None:
        self._columns, self._place = columns, place
        self._others: dict[type[exp.Expr], Callable[[exp.Expr], Typed]] = {
            exp.Paren: lambda node: self._bracketed(node.this),
            exp.Column: self._column,
            exp.Literal: self._literal,
            exp.Boolean: lambda node: ("TRUE" if node.this else "FALSE", "boolean"),
            exp.Null: lambda _: ("NULL", "null"),
            exp.Neg: lambda node: (f"(-{self._number(node.this)})", "number"),
            exp.Not: lambda node: (f"(NOT {self._of(node.this, 'boolean')})", "boolean"),
            exp.And: lambda node: self._logic(node, "AND"),
            exp.Or: lambda node: self._logic(node, "OR"),
            exp.Div: self._division,
            exp.Between: self._between,
            exp.In: self._in,
            exp.Is: self._is,
            exp.Case: self._case,
            exp.If: self._if,
            exp.Coalesce: lambda node: self._alike("coalesce", [node.this, *node.expressions]),
            exp.Nullif: self._nullif,
            exp.Least: lambda node: self._extreme("least", node),
            exp.Greatest: lambda node: self._extreme("greatest", node),
            exp.Round: self._round,
            exp.Log: self._log10,
            exp.Pow: lambda node: (
                f"power({self._number(node.this)}, {self._number(node.expression)})",
                "number",
            ),
            exp.Lower: lambda node: (f"lower({self._of(node.this, 'text')})", "text"),
            exp.Upper: lambda node: (f"upper({self._of(node.this, 'text')})", "text"),
            exp.Substring: self._substring,
            exp.Cast: self._date,
            exp.Anonymous: self._function,
        }

    def compile(self, node: exp.Expr) -> Typed:
        """SQL and kind of a part of the expression."""
        found = self._compiled(node)
        if len(found[0]) > _MOST_CHARACTERS:
            raise RuleError(f"{self._place}: its SQL is too long: make it of several derived columns")
        return found

    def _compiled(self, node: exp.Expr) -> Typed:
        kind = type(node)
        if kind in _COMPARISONS:
            one, other = self._pair(node.this, node.expression)
            return f"({one} {_COMPARISONS[kind]} {other})", "boolean"
        if kind in _ARITHMETIC:
            return (
                f"({self._number(node.this)} {_ARITHMETIC[kind]} {self._number(node.expression)})",
                "number",
            )
        if kind in _ONE_NUMBER:
            return "(" + _ONE_NUMBER[kind].format(self._number(node.this)) + ")", "number"
        if kind in _ONE_DATE:
            inner = node.this.this if isinstance(node.this, exp.TsOrDsToDate) else node.this
            return f"CAST({_ONE_DATE[kind]}({self._of(inner, 'date')}) AS DOUBLE)", "number"
        if kind in self._others:
            return self._others[kind](node)
        raise self._refused(node)

    def _refused(self, node: exp.Expr) -> RuleError:
        name = node.name if isinstance(node, exp.Anonymous) else type(node).__name__.lower()
        known = f"{nearest(name.lower(), _FUNCTIONS)}; there are {', '.join(_FUNCTIONS)}"
        return RuleError(f"{self._place}: {name} is no part of this language{known}")

    def _bracketed(self, node: exp.Expr) -> Typed:
        sql, kind = self.compile(node)
        return f"({sql})", kind

    def _of(self, node: exp.Expr, kind: str) -> str:
        sql, own = self.compile(node)
        if own not in {kind, "null"}:
            raise RuleError(f"{self._place}: {node.sql(dialect='duckdb')} is of the kind {own}, not {kind}")
        return f"CAST(NULL AS {_SQL_TYPES[kind]})" if own == "null" else sql

    def _number(self, node: exp.Expr) -> str:
        return self._of(node, "number")

    def _column(self, node: exp.Expr) -> Typed:
        if node.args.get("table") is not None:
            raise RuleError(f"{self._place}: {node.sql(dialect='duckdb')}: a column is named alone")
        kind = check_column(node.name, self._columns, self._place, ("number", "text", "date", "boolean"))
        return quoted(node.name), kind

    def _literal(self, node: exp.Expr) -> Typed:
        if node.args["is_string"]:
            return text_literal(node.this), "text"
        try:
            return number_sql(Fraction(node.this)), "number"
        except (ValueError, OverflowError):
            raise RuleError(f"{self._place}: {node.this} is no number") from None

    def _logic(self, node: exp.Expr, word: str) -> Typed:
        return f"({self._of(node.this, 'boolean')} {word} {self._of(node.expression, 'boolean')})", "boolean"

    def _division(self, node: exp.Expr) -> Typed:
        return f"({self._number(node.this)} / {self._number(node.expression)})", "number"

    def _same(self, nodes: list[exp.Expr]) -> tuple[list[str], str]:
        """The SQL of several values of one kind; numbers among them are finite or missing."""
        typed = [self.compile(node) for node in nodes]
        kinds = {kind for _, kind in typed if kind != "null"}
        if len(kinds) > 1:
            raise RuleError(f"{self._place}: {' and '.join(sorted(kinds))} do not go together")
        kind = kinds.pop() if kinds else "null"
        is_number = kind == "number"
        return [finite(sql) if is_number and own == kind else sql for sql, own in typed], kind

    def _pair(self, one: exp.Expr, other: exp.Expr) -> tuple[str, str]:
        (first, second), _ = self._same([one, other])
        return first, second

    def _alike(self, name: str, nodes: list[exp.Expr]) -> Typed:
        texts, kind = self._same(nodes)
        return f"{name}({', '.join(texts)})", kind

    def _nullif(self, node: exp.Expr) -> Typed:
        """Of a column alone: the database writes the first argument out twice, and again at each level of nesting."""
        if not isinstance(node.this, exp.Column):
            raise RuleError(f"{self._place}: nullif takes a column and a value")
        return self._alike("nullif", [node.this, node.expression])

    def _extreme(self, name: str, node: exp.Expr) -> Typed:
        """Least or greatest; missing where one of them is: the database would leave it out."""
        texts, kind = self._same([node.this, *node.expressions])
        if kind not in {"number", "date"}:
            raise RuleError(f"{self._place}: {name} takes numbers or dates")
        known = " AND ".join(f"{text} IS NOT NULL" for text in texts)
        return f"(CASE WHEN {known} THEN {name}({', '.join(texts)}) END)", kind

    def _between(self, node: exp.Expr) -> Typed:
        (value, low, high), _ = self._same([node.this, node.args["low"], node.args["high"]])
        return f"({value} BETWEEN {low} AND {high})", "boolean"

    def _in(self, node: exp.Expr) -> Typed:
        members = list(node.expressions)
        if not members or not all(isinstance(each, exp.Literal | exp.Neg) for each in members):
            raise RuleError(f"{self._place}: IN takes a list of numbers or texts")
        (value, *rest), _ = self._same([node.this, *members])
        return f"({value} IN ({', '.join(rest)}))", "boolean"

    def _is(self, node: exp.Expr) -> Typed:
        if not isinstance(node.expression, exp.Null | exp.Boolean):
            raise self._refused(node)
        sql, kind = self.compile(node.this)
        word = "NULL" if isinstance(node.expression, exp.Null) else str(bool(node.expression.this)).upper()
        if word != "NULL" and kind != "boolean":
            raise RuleError(f"{self._place}: IS {word} takes a boolean")
        return f"({finite(sql) if kind == 'number' else sql} IS {word})", "boolean"

    def _case(self, node: exp.Expr) -> Typed:
        branches = node.args.get("ifs") or []
        if node.this is not None:
            pairs = [self._pair(node.this, branch.this) for branch in branches]
            conditions = [f"({one} = {other})" for one, other in pairs]
        else:
            conditions = [self._of(branch.this, "boolean") for branch in branches]
        default = node.args.get("default")
        values = [branch.args["true"] for branch in branches] + ([default] if default is not None else [])
        texts, kind = self._same(values)
        whens = " ".join(f"WHEN {one} THEN {text}" for one, text in zip(conditions, texts, strict=False))
        last = f" ELSE {texts[-1]}" if default is not None else ""
        return f"(CASE {whens}{last} END)", kind

    def _if(self, node: exp.Expr) -> Typed:
        other = node.args.get("false") or exp.Null()
        (true, false), kind = self._same([node.args["true"], other])
        return f"(CASE WHEN {self._of(node.this, 'boolean')} THEN {true} ELSE {false} END)", kind

    def _round(self, node: exp.Expr) -> Typed:
        decimals = node.args.get("decimals")
        places = self._whole(decimals, 0, 9) if decimals is not None else 0
        return f"round({self._number(node.this)}, {places})", "number"

    def _whole(self, node: exp.Expr, low: int, high: int) -> int:
        text = node.this if isinstance(node, exp.Literal) and not node.is_string else ""
        if not str(text).isdecimal() or not low <= int(text) <= high:
            raise RuleError(f"{self._place}: here stands a whole number from {low} to {high}")
        return int(text)

    def _log10(self, node: exp.Expr) -> Typed:
        base, number = node.this, node.args.get("expression")
        if number is not None and (not isinstance(base, exp.Literal) or base.this != "10"):
            raise RuleError(f"{self._place}: write ln or log10")
        if number is None:
            raise RuleError(f"{self._place}: log has no one meaning: write ln or log10")
        return f"log10({self._number(number)})", "number"

    def _substring(self, node: exp.Expr) -> Typed:
        start, length = node.args.get("start"), node.args.get("length")
        if start is None or length is None:
            raise RuleError(f"{self._place}: substr(text, first, length)")
        places = f"{self._whole(start, 1, 1000)}, {self._whole(length, 1, 1000)}"
        return f"substr({self._of(node.this, 'text')}, {places})", "text"

    def _date(self, node: exp.Expr) -> Typed:
        to = node.args["to"]
        if not to.is_type("date") or not isinstance(node.this, exp.Literal) or not node.this.is_string:
            raise RuleError(f"{self._place}: a CAST is no part of this language; a date is DATE '2020-01-31'")
        try:
            day = dt.date.fromisoformat(node.this.this)
        except ValueError:
            raise RuleError(f"{self._place}: {node.this.this} is no date") from None
        return f"DATE '{day.isoformat()}'", "date"

    def _function(self, node: exp.Expr) -> Typed:
        name = node.name.lower()
        if name not in {"years_between", "days_between"} or len(node.expressions) != 2:  # noqa: PLR2004
            raise self._refused(node)
        first, last = (self._of(each, "date") for each in node.expressions)
        if name == "days_between":
            return f"CAST(date_diff('day', {first}, {last}) AS DOUBLE)", "number"
        # whole years: 29 February has its anniversary on 1 March of a common year
        before = f"month({last}) * 100 + day({last}) < month({first}) * 100 + day({first})"
        years = f"year({last}) - year({first}) - CASE WHEN {before} THEN 1 ELSE 0 END"
        return f"CAST({years} AS DOUBLE)", "number"


_SQL_TYPES: Final = {"number": "DOUBLE", "text": "VARCHAR", "date": "DATE", "boolean": "BOOLEAN"}
