"""Aggregate functions by their SQL names, as the caller lists them.

Layer:       analytics.sql beside query, below scalars; knows no formula.
Guarantees:  a function is found by its names alone, whatever node sqlglot makes of it.
See instead: the list itself (``analytics.statistics.aggregates``).
Source:      ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from analytics.sql.query import Form

Functions = Mapping[str, Mapping[Form, str]]


def forms_of(functions: Functions, node: exp.Expr) -> Mapping[Form, str] | None:
    """The aggregates that a call may mean, by what stands in its brackets.

    Args:
        functions: by SQL name, upper case.
        node: the tree.

    Returns:
        None where the node is no call of one.
    """
    if isinstance(node, exp.Anonymous):
        return functions.get(str(node.this).upper())
    names = type(node).sql_names() if isinstance(node, exp.Func) else []
    return next((functions[name] for name in names if name in functions), None)


def argument_of(node: exp.Expr) -> exp.Expr | None:
    """The one argument of a call; None where it has none or several."""
    several = list(node.expressions)
    if isinstance(node, exp.Anonymous):
        return several[0] if len(several) == 1 else None
    only = node.this
    return only if isinstance(only, exp.Expr) and not several else None


def called(node: exp.Expr) -> str:
    """What a call's function is called, upper case."""
    if isinstance(node, exp.Anonymous):
        return node.name.upper()
    return node.sql_name() if isinstance(node, exp.Func) else node.key.upper()
