"""What differs between two agreements, in words for the administrators who decide on the change.

Layer:       federation.consortium.amending.agreement_changes, above consortium_file. Pure.
Guarantees:  two agreements with different digests have at least one sentence, since every value that the digest covers
             is compared; agreements with equal digests have none.
See instead: a draft as a whole (``federation.setup.several_machines.draft_review``).
"""

from __future__ import annotations

import json
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from privacy_accounting.decimals import format_decimal
from privacy_accounting.errors import AccountingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from federation.consortium.consortium_file import Consortium

_MEMBERS: Final = {"sites": "site", "analysts": "analyst", "auditors": "auditor"}
_HELPERS: Final = ("dealer", "aggregator", "keyholder")
_LOW, _HIGH = "lower", "upper"


def changes(old: Consortium, new: Consortium) -> list[str]:
    """Describe the step from one agreement to another.

    Args:
        old: the agreement as it was.
        new: as it is to be.

    Returns:
        Sentences in a fixed order, the same at every member: members, helpers, tables, budgets, other keys.
    """
    before, after = old.canonical(), new.canonical()
    found: list[str] = []
    for section, what in _MEMBERS.items():
        found += _members(what, before.pop(section, {}), after.pop(section, {}))
    for role in _HELPERS:
        found += _helper(role, before.pop(role, None), after.pop(role, None))
    found += _tables(before.pop("tables")["tables"], after.pop("tables")["tables"])
    found += _budgets(before.pop("budgets"), after.pop("budgets"))
    return found + list(_values("", before, after))


def term_changes(old: Consortium, new: Consortium) -> list[str]:
    """Describe the step between two agreements in force of one consortium: tables and minimum cell.

    Args:
        old: the agreement in force.
        new: the one after it.
    """
    tables = [dict(each.schema.to_dict())["tables"] for each in (old, new)]
    cells = [{"minimum_cell": each.file.minimum_cell} for each in (old, new)]
    return [*_tables(*tables), *_values("", *cells)]  # type: ignore[arg-type]


def _members(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    gone, come = [n for n in old if n not in new], [n for n in new if n not in old]
    for name in list(gone):
        same = next((n for n in come if new[n]["public_key"] == old[name]["public_key"]), None)
        if same is not None:
            gone.remove(name)
            come.remove(same)
            yield f"{what} {name} renamed to {same}"
            yield from _values(f"{what} {same}: ", old[name], new[same])
    yield from (f"{what} {name} removed" for name in gone)
    for name in come:
        place = f" at {new[name]['address']}" if "address" in new[name] else ""
        yield f"{what} {name} added{place}, with the key {new[name]['public_key'][:16]}"
    for name in old:
        if name in new:
            yield from _values(f"{what} {name}: ", old[name], new[name])


def _helper(role: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Iterator[str]:
    if old is None and new is not None:
        yield f"{role} {new['name']} added at {new['address']}"
    elif old is not None and new is None:
        yield f"{role} {old['name']} removed"
    elif old is not None and new is not None:
        yield from _values(f"{role}: ", old, new)


def _tables(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"table {name} removed" for name in old if name not in new)
    for name, table in new.items():
        if name not in old:
            yield f"table {name} added, with the columns {_text(list(table['columns']))}"
            continue
        mine = dict(old[name])
        theirs = dict(table)
        yield from _columns(name, mine.pop("columns"), theirs.pop("columns"))
        yield from _values(f"table {name}: ", mine, theirs)


def _columns(table: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{table}: column {name} removed" for name in old if name not in new)
    for name, column in new.items():
        if name not in old:
            given = {
                key: value
                for key, value in column.items()
                if key != "type" and value not in ("", []) and value is not False
            }
            facts = ", ".join(f"{key} {_text(value)}" for key, value in given.items())
            yield f"{table}: column {name} added: {column['type']}" + (f", {facts}" if facts else "")
        else:
            yield from _column(f"{table}: column {name}", old[name], column)


def _column(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = dict(old), dict(new)
    if old["type"] == new["type"] == "numeric":
        yield from _bounds(where, before, after)
    if old["type"] == new["type"] == "categorical":
        yield from _levels(where, before.pop("domain"), after.pop("domain"))
    if before.get("guessed") and not after.get("guessed"):
        yield f"{where}: no longer marked as guessed"
        before.pop("guessed"), after.pop("guessed", None)
    yield from _values(f"{where}: ", before, after)


def _bounds(where: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Take the bounds out of both and compare them."""
    low, high = Fraction(old.pop(_LOW)), Fraction(old.pop(_HIGH))
    lower, upper = Fraction(new.pop(_LOW)), Fraction(new.pop(_HIGH))
    if (low, high) == (lower, upper):
        return
    how = "moved"
    if lower <= low and upper >= high:
        how = "widened"
    elif lower >= low and upper <= high:
        how = "narrowed"
    yield f"{where}: bounds {how} from {_number(low)} to {_number(high)} into {_number(lower)} to {_number(upper)}"


def _levels(where: str, old: Sequence[object], new: Sequence[object]) -> Iterator[str]:
    gone, come = [v for v in old if v not in new], [v for v in new if v not in old]
    if gone:
        yield f"{where}: levels {_text(gone)} removed"
    if come:
        yield f"{where}: levels {_text(come)} added"
    if [v for v in old if v in new] != [v for v in new if v in old]:
        yield f"{where}: the order of the levels changed to {_text(new)}"
    elif come and list(new[: len(new) - len(come)]) != [v for v in new if v in old]:
        yield f"{where}: the new levels are not at the end: {_text(new)}"


def _budgets(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"budget of {name} removed" for name in old if name not in new)
    for name, budget in new.items():
        if name not in old:
            yield f"budget of {name} added: epsilon {_text(budget['epsilon'])}"
        else:
            yield from _values(f"budget of {name}: ", old[name], budget)


def _values(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Compare what has no sentence of its own, key by key."""
    for key in dict.fromkeys([*old, *new]):
        mine, theirs = old.get(key), new.get(key)
        if json.dumps(mine, sort_keys=True) == json.dumps(theirs, sort_keys=True):  # so that 1 is not True
            continue
        if isinstance(mine, dict) and isinstance(theirs, dict):
            yield from _values(f"{where}{key} ", mine, theirs)
        else:
            yield f"{where}{key} changed from {_text(mine)} to {_text(theirs)}"


def _text(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value) or "none"
    if isinstance(value, dict):
        return "; ".join(f"{key} {_text(item)}" for key, item in value.items()) or "none"
    return _number(Fraction(value)) if _is_ratio(value) else str(value)


def _is_ratio(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and re.fullmatch(r"-?\d+/\d+", value) is not None


def _number(value: Fraction) -> str:
    try:
        return format_decimal(value)
    except AccountingError:  # such as a third
        return str(value)
