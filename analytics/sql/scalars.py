"""Scalars of a question: columns, constants, arithmetic, CASE and conditions, typed and on their grids.

Layer:       analytics.sql above scope and numeric.
Terms:       a value is a Numeric, a condition, a category (a column with a public domain) or a text of the question.
Guarantees:  only the node types listed here are understood; every other one is refused with its name and place. A
             condition on a category is evaluated over its public domain, before any data is seen.
Source:      ours; NULL as in SQL.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeGuard, get_args

from sqlglot import exp

from analytics.schema import BooleanColumn, CategoricalColumn, NumericColumn
from analytics.sql.categories import Category, Text, category_compared, category_like
from analytics.sql.edges import object_to_cuts
from analytics.sql.functions import called, forms_of
from analytics.sql.query import Clause
from analytics.sql.terms.expressions import (
    Both,
    ColumnIndex,
    Compare,
    Condition,
    Either,
    Flag,
    Is,
    Known,
    Literal,
    Member,
    Missing,
    Not,
)
from analytics.sql.terms.extent import ExpressionLimitError
from analytics.sql.terms.numeric import (
    MIRROR,
    Numeric,
    add,
    choose,
    compare,
    constant,
    multiply,
    negate,
    truth,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.errors import PlanRejectedError
    from analytics.sql.scope import Scope

_NUMBER = re.compile(r"(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,2})?", re.ASCII)
_OPERATORS: Final[dict[type[exp.Expr], str]] = {
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.EQ: "=",
    exp.NEQ: "<>",
}
_PLAIN = frozenset({"this", "expression"})
_ARGUMENTS: Final[dict[type[exp.Expr], frozenset[str]]] = {
    exp.Column: frozenset({"this", "table"}),
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.In: frozenset({"this", "expressions"}),
    exp.Like: _PLAIN | {"negate"},
    exp.Is: _PLAIN | {"negate"},
}
_CONDITIONS = (exp.Predicate, exp.Not, exp.And, exp.Or)
_CONSTANTS_ONLY = "IN takes a list of constants, for a column or an expression of columns"
ROWS_HINT: Final = "no row leaves a site; ask for COUNT(*), or SUM or AVG of a column"
_HINTS: Final[dict[type[exp.Expr], str]] = {
    exp.Min: "the smallest value is one person's; ask for counts by bins",
    exp.Max: "the largest value is one person's; ask for counts by bins",
    exp.Div: "multiply by a constant instead",
    exp.Median: "ask for counts by bins",
    exp.Corr: "ask for AVG of the product, the means and the deviations",
    exp.Star: ROWS_HINT,
    exp.Cast: "a condition counts as 0 or 1 as it is; other types are made in a site's view",
    exp.Filter: "put the condition inside, as in SUM(condition), or in WHERE",
}
_NAMES: Final[dict[type[exp.Expr], str]] = {
    exp.Subquery: "a subquery",
    exp.Select: "a subquery",
    exp.Exists: "a subquery",
    exp.Window: "a window function",
    exp.Filter: "FILTER",
    exp.Cast: "CAST",
    exp.DPipe: "joining texts",
    exp.Div: "division",
    exp.Placeholder: "a parameter",
    exp.Escape: "ESCAPE",
    exp.Star: "*",
}


Value = Numeric | Category | Text | Condition
Side = tuple[exp.Expr, Value]


def is_condition(value: Value) -> TypeGuard[Condition]:
    """Whether a value is a condition.

    Args:
        value: any value.

    Returns:
        True for conditions, boolean columns among them.
    """
    return isinstance(value, get_args(Condition))


def bind_condition(scope: Scope, node: exp.Expr) -> Condition:
    """Bind a node that must be a condition.

    Args:
        scope: the question's scope.
        node: the tree.

    Returns:
        The condition.

    Raises:
        PlanRejectedError: not allowed, or not a condition.
    """
    value = bind_value(scope, node)
    if not is_condition(value):
        raise scope.refusal(node, "a condition is expected here", "compare the value with something")
    return value


def bind_numeric(scope: Scope, node: exp.Expr) -> Numeric:
    """Bind a node that must be a number; a condition counts as 0 or 1.

    Args:
        scope: the question's scope.
        node: the tree.

    Returns:
        The Numeric.

    Raises:
        PlanRejectedError: not allowed, or not a number.
    """
    return _numeric(scope, node, bind_value(scope, node))


def bind_value(scope: Scope, node: exp.Expr) -> Value:
    """Bind any value.

    Args:
        scope: the question's scope.
        node: the tree.

    Returns:
        A Numeric, Category, Text or condition.

    Raises:
        PlanRejectedError: the node's type is not on the list, or its operands do not fit.
    """
    handler = _HANDLERS.get(type(node))
    if handler is None:
        raise _unknown(scope, node)
    refuse_extras(scope, node, _ARGUMENTS.get(type(node), _PLAIN))
    if scope.clause is Clause.AGGREGATE and isinstance(node, _CONDITIONS):
        scope.object_in_exact(node, "a condition inside an aggregate")
    try:
        with scope.deeper(node):
            return handler(scope, node)
    except ExpressionLimitError as error:
        raise scope.refusal(node, error.reason) from error


def countable(scope: Scope, node: exp.Expr) -> Numeric:
    """Bind what COUNT counts: any value, as an integer that is NULL where the value is.

    Args:
        scope: the question's scope.
        node: the tree.

    Returns:
        A Numeric whose NULLs are the value's.

    Raises:
        PlanRejectedError: not allowed.
    """
    value = bind_value(scope, node)
    if isinstance(value, Category):
        return Numeric(expression=value.code, unit=Fraction(1))
    return _numeric(scope, node, value)


def refuse_extras(scope: Scope, node: exp.Expr, known: frozenset[str]) -> None:
    """Refuse a node that carries more than is understood here, such as a negation inside it.

    Args:
        scope: the question's scope.
        node: the tree.
        known: the arguments that are understood.

    Raises:
        PlanRejectedError: another argument is set.
    """
    for key, value in node.args.items():
        if value and key not in known:
            name = {"query": "a subquery"}.get(key, key.strip("_").upper())
            raise scope.refusal(node, f"{name} is not supported here")


def _unknown(scope: Scope, node: exp.Expr) -> PlanRejectedError:
    """The refusal of a node that is not on the list; it names the node."""
    kind = type(node)
    if isinstance(node, exp.Null):
        return scope.refusal(node, "NULL cannot stand here", "use IS NULL, or leave ELSE out")
    if forms_of(scope.functions, node) is not None:
        return scope.refusal(node, f"{called(node)} cannot stand here", "aggregates stand alone in SELECT")
    if isinstance(node, exp.AggFunc):
        return scope.refusal(node, f"{node.sql_name()} is not supported", _HINTS.get(kind, ""))
    if isinstance(node, exp.Anonymous):
        return scope.refusal(node, f"unknown function {str(node.this)[:80]}")
    name = _NAMES.get(kind) or (node.sql_name() if isinstance(node, exp.Func) else kind.__name__.upper())
    return scope.refusal(node, f"{name} is not supported", _HINTS.get(kind, ""))


def _numeric(scope: Scope, node: exp.Expr, value: Value) -> Numeric:
    if isinstance(value, Numeric):
        return value
    if is_condition(value):
        return truth(value)
    if isinstance(value, Category):
        raise scope.refusal(node, f"{value.column.name} is a category: it has no arithmetic", "use CASE")
    raise scope.refusal(node, "a number is expected here, not a text")


def _column(scope: Scope, node: exp.Expr) -> Value:
    if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star):
        raise scope.refusal(node, "* is not supported here", ROWS_HINT)
    column = scope.use(node)
    if isinstance(column, NumericColumn):
        index = ColumnIndex(name=column.name, lower=column.grid_lower, upper=column.grid_upper)
        return Numeric(expression=index, unit=column.resolution)
    if isinstance(column, BooleanColumn):
        return Flag(name=column.name)
    if isinstance(column, CategoricalColumn):
        return Category(column=column)
    raise scope.refusal(node, f"{column.name} cannot stand here")


def _literal(scope: Scope, node: exp.Expr) -> Value:
    text = str(node.this)
    if node.args.get("is_string"):
        return Text(value=text)
    if not _NUMBER.fullmatch(text):
        raise scope.refusal(node, "this number cannot be read", "at most 40 digits and an exponent of two")
    return constant(Fraction(text))


def _boolean(_scope: Scope, node: exp.Expr) -> Value:
    return Known(value=bool(node.this))


def _paren(scope: Scope, node: exp.Expr) -> Value:
    return bind_value(scope, node.this)


def _negative(scope: Scope, node: exp.Expr) -> Value:
    value = bind_numeric(scope, node.this)
    if value.constant is None:
        scope.object_in_exact(node, "arithmetic over columns")
    return negate(value)


def _arithmetic(
    operation: Callable[[Numeric, Numeric], Numeric],
) -> Callable[[Scope, exp.Expr], Value]:
    def bind(scope: Scope, node: exp.Expr) -> Value:
        result = operation(bind_numeric(scope, node.this), bind_numeric(scope, node.expression))
        if result.constant is None:
            scope.object_in_exact(node, "arithmetic over columns")
        return result

    return bind


def _subtract(left: Numeric, right: Numeric) -> Numeric:
    return add(left, negate(right))


def _case(scope: Scope, node: exp.Expr) -> Value:
    scope.object_in_exact(node, "CASE")
    operand = None if node.args.get("this") is None else _side(scope, node.this)
    branches = []
    for branch in node.args["ifs"]:
        if operand is None:
            condition = bind_condition(scope, branch.this)
        else:
            condition = _compared(scope, branch, "=", operand, _side(scope, branch.this))
        branches.append((condition, _case_value(scope, branch.args["true"])))
    default = node.args.get("default")
    try:
        return choose(branches, None if default is None else _case_value(scope, default))
    except ValueError as error:
        raise scope.refusal(node, "every value of this CASE is NULL") from error


def _case_value(scope: Scope, node: exp.Expr) -> Numeric | None:
    return None if isinstance(node, exp.Null) else bind_numeric(scope, node)


def _comparison(scope: Scope, node: exp.Expr) -> Value:
    sides = _side(scope, node.this), _side(scope, node.expression)
    return _compared(scope, node, _OPERATORS[type(node)], *sides)


def _side(scope: Scope, node: exp.Expr) -> Side:
    """One side of a comparison, bound once however many comparisons it stands in."""
    if isinstance(node, exp.Null):
        raise scope.refusal(node.parent or node, "a comparison with NULL is never true", "use IS NULL")
    return node, bind_value(scope, node)


def _compared(scope: Scope, node: exp.Expr, operator: str, first: Side, second: Side) -> Condition:
    left, right = first[1], second[1]
    if isinstance(left, Category):
        return category_compared(scope, node, operator, left, right)
    if isinstance(right, Category):
        return category_compared(scope, node, MIRROR[operator], right, left)
    if isinstance(left, Text) and isinstance(right, Text):
        raise scope.refusal(node, "two texts of the question cannot be compared")
    one, other = _numeric(scope, *first), _numeric(scope, *second)
    if one.constant is None and other.constant is None:
        scope.object_in_exact(node, "a comparison of two columns")
    condition = compare(operator, one, other)
    object_to_cuts(scope, node, condition)
    return condition


def _between(scope: Scope, node: exp.Expr) -> Value:
    middle, low, high = (_side(scope, side) for side in (node.this, node.args["low"], node.args["high"]))
    first = _compared(scope, node, ">=", middle, low)
    return Both(left=first, right=_compared(scope, node, "<=", middle, high))


def _in(scope: Scope, node: exp.Expr) -> Value:
    left = _side(scope, node.this)
    if not node.expressions or _is_constant(left[1]):
        raise scope.refusal(node, _CONSTANTS_ONLY)
    members = [_equal_member(scope, item, left) for item in node.expressions]
    codes = sorted({code for member in members for code in member.codes})
    return Member(argument=members[0].argument, codes=tuple(codes))


def _equal_member(scope: Scope, node: exp.Expr, left: Side) -> Member:
    """One item of an IN list as a membership of the list's left side."""
    match _compared(scope, node, "=", left, _side(scope, node)):
        case Member() as member:
            return member
        case Compare(left=argument, right=Literal(value=value)):
            return Member(argument=argument, codes=(value,))
        case _:
            raise scope.refusal(node, _CONSTANTS_ONLY)


def _is_constant(value: Value) -> bool:
    return isinstance(value, Text | Known) or (isinstance(value, Numeric) and value.constant is not None)


def _like(scope: Scope, node: exp.Expr) -> Value:
    sides = bind_value(scope, node.this), bind_value(scope, node.expression)
    return _negated(node, category_like(scope, node, *sides))


def _negated(node: exp.Expr, condition: Condition) -> Condition:
    """Sqlglot keeps the NOT of NOT LIKE and IS NOT sometimes around the node, sometimes inside it."""
    return Not(condition=condition) if node.args.get("negate") else condition


def _is(scope: Scope, node: exp.Expr) -> Value:
    if isinstance(node.expression, exp.Null):
        return _negated(node, Missing(argument=countable(scope, node.this).expression))
    if isinstance(node.expression, exp.Boolean):
        condition = bind_condition(scope, node.this)
        return _negated(node, Is(condition=condition, value=bool(node.expression.this)))
    raise scope.refusal(node, "IS takes NULL, TRUE or FALSE")


def _not(scope: Scope, node: exp.Expr) -> Value:
    return Not(condition=bind_condition(scope, node.this))


def _and(scope: Scope, node: exp.Expr) -> Value:
    return Both(left=bind_condition(scope, node.this), right=bind_condition(scope, node.expression))


def _or(scope: Scope, node: exp.Expr) -> Value:
    return Either(left=bind_condition(scope, node.this), right=bind_condition(scope, node.expression))


_HANDLERS: Final[dict[type[exp.Expr], Callable[[Scope, exp.Expr], Value]]] = {
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Boolean: _boolean,
    exp.Paren: _paren,
    exp.Neg: _negative,
    exp.Add: _arithmetic(add),
    exp.Sub: _arithmetic(_subtract),
    exp.Mul: _arithmetic(multiply),
    exp.Case: _case,
    **dict.fromkeys(_OPERATORS, _comparison),
    exp.Between: _between,
    exp.In: _in,
    exp.Like: _like,
    exp.Is: _is,
    exp.Not: _not,
    exp.And: _and,
    exp.Or: _or,
}
