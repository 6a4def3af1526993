"""What a ViewDefinition means, computed in plain Python over a tree of its own: no parser, no SQL, nothing of the product.

An expression is a tuple: ("this",), ("of", base, name), ("type", base, name, type), ("at", base, place), ("first", base),
("where", base, condition), ("exists", base), ("empty", base), ("not", base), ("join", base, text), ("text", value),
("number", value), ("flag", value), ("date", value), or an operator with two sides.
"""

import datetime as dt
import re
from decimal import Decimal
from itertools import product

SUFFIXES = {"Boolean", "DateTime", "Date", "Integer", "String", "Quantity", "Code", "Reference"}
OPERATORS = ("and", "or", "=", "!=", "<", "<=", ">", ">=")


class Refused(Exception):  # noqa: N818
    """The rows must be refused."""


def rendered(node: tuple) -> str:
    """FHIRPath of a tree."""
    match node:
        case ("this",):
            return "$this"
        case ("of", ("this",), name):
            return name
        case ("of", base, name):
            return f"{rendered(base)}.{name}"
        case ("type", base, name, kind):
            return f"{rendered(('of', base, name))}.ofType({kind})"
        case ("at", base, place):
            return f"{rendered(base)}[{place}]"
        case ("where", base, condition):
            return f"{rendered(base)}.where({rendered(condition)})"
        case ("join", base, text):
            return f"{rendered(base)}.join({_quoted(text)})"
        case ("text", value):
            return _quoted(value)
        case ("number", value):
            return str(value)
        case ("flag", value):
            return str(value).lower()
        case ("date", value):
            return f"@T{value}" if value[2:3] == ":" else f"@{value}"
        case (sign, left, right) if sign in OPERATORS:
            return f"({rendered(left)} {sign} {rendered(right)})"
        case (name, base):
            return f"{rendered(base)}.{name}()"
    raise AssertionError(node)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def evaluated(node: tuple, item: object) -> list:
    """The collection that a tree gives for one item."""
    match node:
        case ("this",):
            return [item]
        case ("of", base, name):
            return [value for each in evaluated(base, item) for value in _elements(each, name)]
        case ("type", base, name, kind):
            return [value for each in evaluated(base, item) for value in _typed(each, name, kind)]
        case ("at", base, place):
            return evaluated(base, item)[place : place + 1]
        case ("first", base):
            return evaluated(base, item)[:1]
        case ("where", base, condition):
            return [each for each in evaluated(base, item) if _truth(evaluated(condition, each))]
        case ("exists", base):
            return [bool(evaluated(base, item))]
        case ("empty", base):
            return [not evaluated(base, item)]
        case ("not", base):
            truth = _truth(evaluated(base, item))
            return [] if truth is None else [not truth]
        case ("join", base, text):
            found = evaluated(base, item)
            if not all(isinstance(each, str) for each in found):
                raise Refused
            return [text.join(found)]
        case ("text" | "number" | "flag" | "date", value):
            return [value]
        case (sign, left, right):
            return _operated(sign, left, right, item)
    raise AssertionError(node)


def _values(value: object) -> list:
    return (
        [each for each in value if each is not None]
        if isinstance(value, list)
        else []
        if value is None
        else [value]
    )


def _elements(item: object, name: str) -> list:
    if not isinstance(item, dict):
        return []
    if name in item:
        return _values(item[name])
    return [item[key] for key in item if key.startswith(name) and key[len(name) :] in SUFFIXES]


def _typed(item: object, name: str, kind: str) -> list:
    if not isinstance(item, dict):
        return []
    if name in item:
        raise Refused
    return _values(item.get(name + kind[0].upper() + kind[1:]))


def _truth(found: list) -> bool | None:
    if not found:
        return None
    if len(found) > 1 or not isinstance(found[0], bool):
        raise Refused
    return found[0]


def _operated(sign: str, left: tuple, right: tuple, item: object) -> list:
    a, b = evaluated(left, item), evaluated(right, item)
    if sign in {"and", "or"}:
        sides, ends = [_truth(a), _truth(b)], sign == "or"
        return [ends] if ends in sides else [] if None in sides else [not ends]
    if not a or not b:
        return []
    if sign in {"=", "!="} and len(a) != len(b):
        return [sign == "!="]
    if len(a) > 1 or len(b) > 1:
        raise Refused
    is_date = {_kind(left), _kind(right)} & {"date"}
    is_text = {_kind(left), _kind(right)} & {"text"}
    order = _order(a[0], b[0], is_date=bool(is_date), is_text=bool(is_text), is_equality=sign in {"=", "!="})
    if order is None:
        return []
    return [
        {
            "=": order == 0,
            "!=": order != 0,
            "<": order == -1,
            "<=": order in {-1, 0},
            ">": order == 1,
            ">=": order in {0, 1},
        }[sign]
    ]


def _kind(node: tuple) -> str:
    """What the expression itself says of its values' type."""
    match node:
        case ("text" | "date" as kind, _):
            return kind
        case ("type", _, _, kind):
            return {"date": "date", "dateTime": "date", "string": "text", "code": "text"}.get(kind, "")
        case ("join", _, _):
            return "text"
        case ("at" | "where", base, _) | ("first", base):
            return _kind(base)
    return ""


def _order(a: object, b: object, *, is_date: bool, is_text: bool, is_equality: bool) -> int | None:
    """-1, 0 or 1; 2 for unequal without an order; None where it is not known."""
    if isinstance(a, dict | list) or isinstance(b, dict | list):
        raise Refused
    if isinstance(a, str) and isinstance(b, str):
        if is_date or (not is_text and _is_date(a) and _is_date(b)):
            return _date_order(a, b)
        return (a > b) - (a < b)
    if isinstance(a, bool) or isinstance(b, bool) or isinstance(a, str) or isinstance(b, str):
        if not is_equality:
            raise Refused
        return 0 if type(a) is type(b) and a == b else 2
    return (a > b) - (a < b)


_DATE = re.compile(
    r"(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01])(?:T(\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?(Z|[+-]\d\d:\d\d)?)?)?)?"
)


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None


def _date_order(a: str, b: str) -> int | None:
    first, second = _DATE.fullmatch(a), _DATE.fullmatch(b)
    if first is None or second is None:
        raise Refused
    zones = first[7] is not None, second[7] is not None
    if all(zones):
        moments = []
        for found in (first, second):
            offset = "+00:00" if found[7] == "Z" else found[7]
            minute = dt.datetime.fromisoformat(f"{found[0][:16]}:00{offset}")
            moments.append((minute, Decimal(found[6] or 0)))
        return (moments[0] > moments[1]) - (moments[0] < moments[1])
    if any(zones) and first[4] and second[4]:
        return None
    for x, y in zip(first.groups()[:6], second.groups()[:6], strict=True):
        if x is None and y is None:
            return 0
        if x is None or y is None:
            return None
        if Decimal(x) != Decimal(y):
            return 1 if Decimal(x) > Decimal(y) else -1
    return 0


def rows_of(view: dict, resources: list) -> list[tuple]:
    """The rows of a view whose paths are trees, in the order of the resources."""
    found = []
    for resource in resources:
        if resource["resourceType"] != view["resource"]:
            continue
        kept = [_truth(evaluated(where, resource)) for where in view.get("where", [])]
        if all(each is True for each in kept):
            found += _crossed(view["select"], resource)
    return found


def width(select: dict) -> int:
    """The number of a select's columns."""
    nested = sum(map(width, select.get("select", [])))
    return (
        len(select.get("column", []))
        + nested
        + (width(select["unionAll"][0]) if select.get("unionAll") else 0)
    )


def _crossed(selects: list, item: object) -> list[tuple]:
    return [sum(rows, ()) for rows in product(*[_selected(each, item) for each in selects])]


def _selected(select: dict, item: object) -> list[tuple]:
    path = select.get("forEach") or select.get("forEachOrNull")
    if path is None:
        return _body(select, item)
    found = evaluated(path, item)
    if not found and "forEachOrNull" in select:
        return [(None,) * width(select)]
    return [row for each in found for row in _body(select, each)]


def _body(select: dict, item: object) -> list[tuple]:
    parts = []
    if select.get("column"):
        parts.append([tuple(_cell(path, item) for path in select["column"])])
    if select.get("select"):
        parts.append(_crossed(select["select"], item))
    if select.get("unionAll"):
        parts.append([row for each in select["unionAll"] for row in _selected(each, item)])
    return [sum(rows, ()) for rows in product(*parts)]


def _cell(path: tuple, item: object) -> str | None:
    found = evaluated(path, item)
    if len(found) > 1 or any(isinstance(each, dict | list) for each in found):
        raise Refused
    if not found:
        return None
    return str(found[0]).lower() if isinstance(found[0], bool) else str(found[0])
