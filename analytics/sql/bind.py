"""Binds a SELECT: names to columns, aggregates to arguments, GROUP BY to public groups.

Layer:       analytics.sql above scalars and parse.
Guarantees:  a bound question needs nothing of its text; its groups come from the schema alone, so that no row can
             show itself by inventing a group.
See instead: the rules of private and exact mode (plans.mode_rules).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from analytics.errors import PlanRejectedError
from analytics.schema import IdentifierColumn, Schema
from analytics.sql.functions import argument_of, called, forms_of
from analytics.sql.grouping import Item, group_key, is_name, ordinal
from analytics.sql.parse import parse
from analytics.sql.query import (
    AggregateOutput,
    BoundQuery,
    Clause,
    Form,
    GroupKey,
    KeyOutput,
    OrderItem,
)
from analytics.sql.scalars import (
    bind_condition,
    bind_numeric,
    bind_value,
    countable,
    refuse_extras,
)
from analytics.sql.scope import Scope
from analytics.sql.text import QuestionText

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.sql.functions import Functions
    from analytics.sql.terms.numeric import Numeric

MAX_GROUPS = 10_000
MAX_OUTPUTS = 200
_MAX_LIMIT = 1_000_000
_MAX_LIMIT_DIGITS = 40


def bind(text: str, schema: Schema, functions: Functions) -> BoundQuery:
    """Bind a question to a schema.

    Visible to: no party's data; runs at the analyst and, from the same text, at every site.

    Args:
        text: one SELECT over one table.
        schema: the consortium's schema.
        functions: the aggregates by SQL name; ``plans.question`` gives those of this version.

    Returns:
        The bound question.

    Raises:
        PlanRejectedError: with the place of the first thing that cannot be asked.
    """
    question = QuestionText.read(text)
    try:
        return _bind(question, schema, functions)
    except RecursionError as error:
        raise PlanRejectedError(position="1:1", reason="nested too deeply") from error


def _bind(question: QuestionText, schema: Schema, functions: Functions) -> BoundQuery:
    tree = parse(question)
    scope = _scope(question, tree, schema, functions)
    items = _items(scope, tree)
    groups = _groups(scope, tree, items)
    outputs = tuple(_output(scope, item, name, groups) for item, name in items)
    if not any(isinstance(output, AggregateOutput) for output in outputs):
        hint = "add COUNT(*) or another aggregate"
        raise scope.refusal(tree.expressions[0], "this SELECT has no aggregate", hint)
    _check_names(scope, tree, [output.name for output in outputs])
    where = tree.args.get("where")
    scope.clause = Clause.WHERE
    condition = None if where is None else bind_condition(scope, where.this)
    return BoundQuery(
        text=question.text,
        table=scope.table,
        outputs=outputs,
        where=condition,
        groups=groups,
        order=_order(scope, tree, items),
        limit=_limit(scope, tree),
        uses=tuple(scope.uses),
        exact_objections=tuple(scope.objections),
    )


def _scope(question: QuestionText, tree: exp.Select, schema: Schema, functions: Functions) -> Scope:
    source = tree.args["from_"].this
    table = schema.table(source.name)
    if table is None:
        known = ", ".join(schema.tables)
        raise question.refusal(source, f"unknown table {source.name[:80]}", f"there is {known}")
    return Scope(question=question, table=table, alias=source.alias or source.name, functions=functions)


def _items(scope: Scope, tree: exp.Select) -> list[Item]:
    """Each SELECT item without its alias, and the name it will have."""
    if len(tree.expressions) > MAX_OUTPUTS:
        raise scope.refusal(tree.expressions[MAX_OUTPUTS], f"at most {MAX_OUTPUTS} columns can be asked")
    texts = scope.question.select_items()
    if len(texts) != len(tree.expressions):
        hint = "aggregates and group keys, with commas between them"
        raise scope.refusal(tree.expressions[0], "the columns of this SELECT cannot be separated", hint)
    items = []
    for node, text in zip(tree.expressions, texts, strict=True):
        bare = node.this if isinstance(node, exp.Alias) else node
        while isinstance(bare, exp.Paren):
            bare = bare.this
        name = node.alias if isinstance(node, exp.Alias) else bare.name if is_name(bare) else text
        items.append((bare, name[:200]))
    return items


def _check_names(scope: Scope, tree: exp.Select, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for node, name in zip(tree.expressions, names, strict=True):
        if name.lower() in seen:
            raise scope.refusal(node, f"two columns are called {name}", "give one of them an alias")
        seen.add(name.lower())


def _output(
    scope: Scope, node: exp.Expr, name: str, groups: tuple[GroupKey, ...]
) -> KeyOutput | AggregateOutput:
    scope.clause = Clause.AGGREGATE
    if isinstance(node, exp.Column) and is_name(node):
        return _key_output(scope, node, name, groups)
    forms = forms_of(scope.functions, node)
    if forms is None:
        raise _no_output(scope, node)
    refuse_extras(scope, node, frozenset({"this", "expressions", "big_int"}))
    aggregate, argument = _aggregated(scope, node, forms)
    position = scope.question.position(node)
    return AggregateOutput(name=name, aggregate=aggregate, argument=argument, position=position)


def _key_output(scope: Scope, node: exp.Column, name: str, groups: tuple[GroupKey, ...]) -> KeyOutput:
    column = scope.resolve(node)
    for number, key in enumerate(groups):
        if key.column == column:
            return KeyOutput(name=name, key=number)
    raise scope.refusal(node, f"{column.name} is neither in GROUP BY nor inside an aggregate")


def _no_output(scope: Scope, node: exp.Expr) -> PlanRejectedError:
    """The refusal of what is no aggregate, by the name of the innermost thing that is not understood."""
    aggregates = [found for found in node.find_all(exp.Func) if forms_of(scope.functions, found)]
    if aggregates and not isinstance(node, exp.Window | exp.Filter):
        hint = "ask for the aggregates as columns and compute with the answer"
        return scope.refusal(node, "arithmetic over aggregates is not supported", hint)
    bind_value(scope, node)
    return scope.refusal(node, "a column of the answer is a group key or an aggregate")


def _aggregated(scope: Scope, node: exp.Expr, forms: Mapping[Form, str]) -> tuple[str, Numeric | None]:
    """The aggregate that a call means, by what stands in its brackets, and its argument."""
    inner = argument_of(node)
    if inner is None:
        raise scope.refusal(
            node, f"{called(node)} takes one argument", "COUNT(*)" if Form.ROWS in forms else ""
        )
    if isinstance(inner, exp.Star) and Form.ROWS in forms:
        return forms[Form.ROWS], None
    if isinstance(inner, exp.Distinct):
        if Form.UNITS not in forms:
            raise scope.refusal(node, "DISTINCT is only for counting privacy units")
        _check_distinct(scope, inner)
        return forms[Form.UNITS], None
    if Form.VALUE in forms:
        return _counted(scope, node, inner, forms)
    argument = bind_numeric(scope, inner)
    if argument.constant is not None:
        scope.object_in_exact(node, "an aggregate of a constant")
    return forms[Form.NUMBER], argument


def _counted(
    scope: Scope, node: exp.Expr, inner: exp.Expr, forms: Mapping[Form, str]
) -> tuple[str, Numeric | None]:
    """A count of values; of a constant's it is one of all rows."""
    if isinstance(inner, exp.Column) and isinstance(scope.table.column(inner.name), IdentifierColumn):
        raise scope.refusal(node, "the privacy unit is counted with COUNT(DISTINCT ...)")
    argument = countable(scope, inner)
    return (forms[Form.ROWS], None) if argument.constant is not None else (forms[Form.VALUE], argument)


def _check_distinct(scope: Scope, node: exp.Distinct) -> None:
    only = node.expressions[0] if len(node.expressions) == 1 else None
    if not isinstance(only, exp.Column) or not is_name(only):
        raise scope.refusal(node, "COUNT(DISTINCT ...) takes the privacy unit's column")
    if not isinstance(scope.resolve(only), IdentifierColumn):
        hint = f"the privacy unit is {scope.table.privacy_unit}"
        raise scope.refusal(node, "only privacy units can be counted with DISTINCT", hint)


def _groups(scope: Scope, tree: exp.Select, items: Sequence[Item]) -> tuple[GroupKey, ...]:
    group = tree.args.get("group")
    if group is None:
        return ()
    extra = [key for key, value in group.args.items() if value and key != "expressions"]
    if extra:
        raise scope.refusal(group, f"GROUP BY {extra[0].upper()} is not supported", "name the columns")
    scope.clause = Clause.GROUP_BY
    keys: list[GroupKey] = []
    count = 1
    for node in group.expressions:
        key = group_key(scope, node, items)
        if key in keys:
            raise scope.refusal(node, f"{key.column.name} is in GROUP BY twice")
        keys.append(key)
        count *= len(key.labels)
        if count > MAX_GROUPS:
            raise scope.refusal(node, f"more than {MAX_GROUPS} groups")
    return tuple(keys)


def _order(scope: Scope, tree: exp.Select, items: Sequence[Item]) -> tuple[OrderItem, ...]:
    order = tree.args.get("order")
    if order is None:
        return ()
    found = []
    for ordered in order.expressions:
        extra = [
            key for key, value in ordered.args.items() if value and key not in {"this", "desc", "nulls_first"}
        ]
        if not isinstance(ordered, exp.Ordered) or extra:
            raise scope.refusal(ordered, "this way of sorting is not supported")
        found.append(
            OrderItem(
                output=_order_target(scope, ordered.this, items),
                descending=bool(ordered.args.get("desc")),
                nulls_first=bool(ordered.args.get("nulls_first")),
            )
        )
    return tuple(found)


def _order_target(scope: Scope, node: exp.Expr, items: Sequence[Item]) -> int:
    if isinstance(node, exp.Literal) and not node.is_string:
        return ordinal(scope, node, len(items))
    for number, (item, name) in enumerate(items):
        by_name = isinstance(node, exp.Column) and not node.table and node.name.lower() == name.lower()
        if by_name or node == item:
            return number
    hint = "write a column's name, its number or the same expression"
    raise scope.refusal(node, "ORDER BY takes columns of the answer", hint)


def _limit(scope: Scope, tree: exp.Select) -> int | None:
    limit = tree.args.get("limit")
    if limit is None:
        return None
    value = limit.expression
    plain = isinstance(limit, exp.Limit) and not limit.args.get("limit_options")
    text = str(value.this) if isinstance(value, exp.Literal) and not value.is_string else ""
    if not plain or not text.isdecimal() or len(text) > _MAX_LIMIT_DIGITS:
        raise scope.refusal(limit, f"LIMIT takes a whole number of at most {_MAX_LIMIT_DIGITS} digits")
    return min(int(text), _MAX_LIMIT)
