"""The scope of one question: its table, its text, and a record of the columns that it uses.

Layer:       analytics.sql above query.
Guarantees:  every mention of a column is recorded with its clause and place, so that the rules of both modes can be
             checked later without the text. How deep a question goes, and how much of its domains it looks at, is
             bounded.
Source:      ours.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from analytics.schema import Column, IdentifierColumn, Table
from analytics.schema.unknown_names import column_hint
from analytics.sql.query import Clause, Objection, Use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlglot import exp

    from analytics.errors import PlanRejectedError
    from analytics.sql.functions import Functions
    from analytics.sql.text import QuestionText

_MAX_DEPTH = 100
MAX_WORK = 5_000_000  # a LIKE over the longest domain of the longest texts takes two fifths of it


class Scope:
    """The table, the text and the record of uses while one question is bound."""

    def __init__(self, *, question: QuestionText, table: Table, alias: str, functions: Functions) -> None:
        self.question, self.table, self.alias, self.functions = question, table, alias, functions
        self.clause = Clause.AGGREGATE
        self.uses: list[Use] = []
        self.objections: list[Objection] = []
        self._depth = 0
        self._work = 0

    def refusal(self, node: exp.Expr, reason: str, hint: str = "") -> PlanRejectedError:
        """The error that refuses a node with its name and place; for the caller to raise."""
        return self.question.refusal(node, reason, hint)

    @contextmanager
    def deeper(self, node: exp.Expr) -> Iterator[None]:
        """Go one level down the tree; bounded, so that no later walk over it can overflow the stack.

        Raises:
            PlanRejectedError: more than 100 levels.
        """
        if self._depth >= _MAX_DEPTH:
            raise self.refusal(node, f"nested more than {_MAX_DEPTH} levels deep")
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def work(self, node: exp.Expr, amount: int) -> None:
        """Count values or characters of a domain before they are looked at.

        Raises:
            PlanRejectedError: more than ``MAX_WORK`` in one question.
        """
        self._work += amount
        if self._work > MAX_WORK:
            hint = "compare columns of long domains less often in one question"
            raise self.refusal(node, f"this looks at more than {MAX_WORK} values of its domains", hint)

    def object_in_exact(self, node: exp.Expr, reason: str, hint: str = "ask with epsilon") -> None:
        """Note that the node's form is not for exact answers."""
        position = self.question.position(node)
        self.objections.append(Objection(position=position, reason=reason, hint=hint))

    def resolve(self, node: exp.Column) -> Column:
        """The schema's column of a name; does not record a use.

        Raises:
            PlanRejectedError: another table's, or unknown.
        """
        qualifier = node.table
        if node.args.get("db") or (qualifier and qualifier.lower() != self.alias.lower()):
            raise self.refusal(node, f"unknown table {qualifier[:80]}")
        column = self.table.column(node.name)
        if column is None:
            hint = column_hint(self.table, node.name, is_sql=True)
            raise self.refusal(node, f"unknown column {node.name[:80]}", hint)
        return column

    def use(self, node: exp.Column) -> Column:
        """The schema's column of a name, recorded as used in the present clause.

        Raises:
            PlanRejectedError: unknown, or the privacy unit, which can only be counted.
        """
        column = self.resolve(node)
        if isinstance(column, IdentifierColumn):
            raise self.refusal(
                node, f"{column.name} is the privacy unit: it can only be counted", "COUNT(DISTINCT ...)"
            )
        self.record(node, column)
        return column

    def record(self, node: exp.Expr, column: Column) -> None:
        """Record a use of a column in the present clause."""
        self.uses.append(Use(column=column.name, clause=self.clause, position=self.question.position(node)))
