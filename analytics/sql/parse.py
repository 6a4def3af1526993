"""Parses one SELECT over one table with the allowed clauses; refuses all else with its name and place.

Layer:       analytics.sql above text.
Guarantees:  what comes out has only the arguments listed here; an argument that a later sqlglot adds is refused. The
             parser, which goes back and tries again where a text can be read in two ways, takes so many steps at
             most; whatever it raises is a refusal.
See instead: what columns and functions mean (scalars, bind).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError

from analytics.errors import PlanRejectedError

if TYPE_CHECKING:
    from analytics.sql.text import QuestionText

MAX_STEPS: Final = 20_000  # a question of the largest size that needs no second try takes a twentieth
_SELECT = frozenset({"expressions", "from_", "where", "group", "order", "limit"})
_CLAUSES = {
    "with_": ("WITH", "WITH"),
    "distinct": ("DISTINCT", "SELECT DISTINCT"),
    "having": ("HAVING", "HAVING"),
    "qualify": ("QUALIFY", "QUALIFY"),
    "windows": ("WINDOW", "WINDOW"),
    "offset": ("OFFSET", "OFFSET"),
    "sample": ("SAMPLE", "a sample of rows"),
    "locks": ("FOR", "FOR UPDATE"),
    "laterals": ("LATERAL", "LATERAL"),
    "into": ("INTO", "SELECT INTO"),
    "pivots": ("PIVOT", "PIVOT"),
    "exclude": ("EXCLUDE", "EXCLUDE"),
}


def parse(question: QuestionText) -> exp.Select:
    """Parse a question into the tree of one plain SELECT.

    Args:
        question: the text.

    Returns:
        A Select with a plain table, and perhaps WHERE, GROUP BY, ORDER BY and LIMIT.

    Raises:
        PlanRejectedError: at the first thing that is not allowed.
    """
    _refuse_other_statements(question)
    tree = _tree(question)
    if not isinstance(tree, exp.Select):
        raise _not_one_select(question)
    _check_clauses(question, tree)
    _check_table(question, tree)
    return tree


class _TooManyStepsError(Exception):
    """The parser went back and forth too often; no ParseError, which the parser itself would catch."""


class _BoundedParser(DuckDB.Parser):  # type: ignore[misc, valid-type]  # an attribute
    """DuckDB's grammar in a bounded number of steps."""

    steps = 0

    def _advance(self, times: int = 1) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _TooManyStepsError
        super()._advance(times)


def _tree(question: QuestionText) -> exp.Expr | None:
    """What sqlglot makes of the text."""
    try:
        trees = _BoundedParser(dialect="duckdb").parse(list(question.tokens), question.text)
    except ParseError as error:
        place = error.errors[0] if error.errors else {}
        column = place.get("col", 1) - len(place.get("highlight") or " ") + 1  # col is the token's last
        position = f"{place.get('line', 1)}:{max(1, column)}"
        raise PlanRejectedError(position=position, reason="this is not valid SQL") from error
    except RecursionError as error:
        raise PlanRejectedError(position="1:1", reason="nested too deeply") from error
    except _TooManyStepsError as error:
        raise PlanRejectedError(position="1:1", reason="this takes too long to parse") from error
    except Exception as error:
        raise PlanRejectedError(position="1:1", reason="this is not valid SQL") from error
    return trees[0] if trees else None


def _refuse_other_statements(question: QuestionText) -> None:
    words = question.words()
    first = words[0]
    if first != "SELECT":
        reason = f"only SELECT can be asked, not {first[:20]}"
        raise PlanRejectedError(position=question.place(question.tokens[0].start), reason=reason)
    for number, word in enumerate(words[:-1]):
        if word == ";":
            place = question.place(question.tokens[number + 1].start)
            raise PlanRejectedError(position=place, reason="one statement only")


def _not_one_select(question: QuestionText) -> PlanRejectedError:
    for word in ("UNION", "INTERSECT", "EXCEPT"):
        position = question.keyword(word)
        if position:
            return PlanRejectedError(position=position, reason=f"{word} is not supported")
    return PlanRejectedError(position="1:1", reason="only one plain SELECT can be asked")


def _check_clauses(question: QuestionText, tree: exp.Select) -> None:
    joins = tree.args.get("joins")
    if joins:
        hint = "a site's view can join before the question"
        raise question.refusal(joins[0], "joins are not supported", hint)
    for key, value in tree.args.items():
        if key in _SELECT or not value:
            continue
        word, name = _CLAUSES.get(key, (key.strip("_").upper(), key.strip("_").upper()))
        raise PlanRejectedError(
            position=question.keyword(word) or question.position(tree), reason=f"{name} is not supported"
        )
    if not tree.expressions:
        place = question.place(question.tokens[0].start)
        raise PlanRejectedError(
            position=place, reason="the SELECT has no columns", hint="SELECT COUNT(*) FROM ..."
        )
    if tree.args.get("from_") is None:
        raise question.refusal(tree, "FROM is missing")


def _check_table(question: QuestionText, tree: exp.Select) -> None:
    table = tree.args["from_"].this
    if not isinstance(table, exp.Table):
        raise question.refusal(table, "only a table of the schema can stand in FROM, no subquery")
    if not isinstance(table.this, exp.Identifier):
        raise question.refusal(table, "table functions such as read_csv are refused")
    if table.args.get("db") or table.args.get("catalog"):
        raise question.refusal(table, "name the table alone, without a database before it")
    extra = [key for key, value in table.args.items() if value and key not in {"this", "alias"}]
    if extra:
        raise question.refusal(table, f"{extra[0].strip('_').upper()} after a table is not supported")
    alias = table.args.get("alias")
    if alias is not None and alias.args.get("columns"):
        raise question.refusal(alias, "column lists after a table's alias are not supported")
