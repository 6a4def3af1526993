"""SQL of a FHIRPath expression.

Layer:       analytics.sources.formats.fhir.compile_path, above path, sql_text and temporal.
Terms:       *items* are a collection, a list of JSON values; a *flag* is a boolean with NULL for the empty collection.
Guarantees:  where an expression's meaning depends on a type that neither it nor the value shows, the source is refused
             rather than guessed at; so is a condition that is no boolean, and a comparison of more than one value.
Source:      FHIRPath (Normative Release); SQL on FHIR v2, "Required FHIRPath Expressions".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.sources.formats.fhir import temporal
from analytics.sources.formats.fhir.path import Binary, Call, Index, Literal, Member, This
from analytics.sources.formats.fhir.sql_text import (
    NONE,
    NUMBERS,
    TOO_DEEP,
    WHOLE_NUMBERS,
    elements,
    field,
    json_text,
    text_sql,
)
from analytics.sources.formats.fhir.tokens import PathError
from analytics.sources.formats.fhir.types import DATA_TYPES, FLAG, PRIMITIVES, TEMPORAL, TEXT, suffix_of

if TYPE_CHECKING:
    from analytics.sources.formats.fhir.path import Path
    from analytics.sources.formats.fhir.sql_text import Names

_REFERENCE: Final = r"[A-Z][A-Za-z]*/[A-Za-z0-9.\-]{1,64}(/_history/[A-Za-z0-9.\-]{1,64})?"


@dataclass(frozen=True, slots=True)
class Items:
    """A collection: its SQL, and the kind of its values where the expression tells it."""

    sql: str
    known: str = ""


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean, by its SQL."""

    sql: str


@dataclass(frozen=True, slots=True)
class Compiler:
    """Compiles expressions of one ViewDefinition.

    Attributes:
        names: for variables and refusals.
        resource: the ViewDefinition's resource type.
        item: the variable of the item that the expression is asked of.
        is_root: whether that is the resource itself.
    """

    names: Names
    resource: str
    item: str
    is_root: bool

    def items(self, path: Path) -> Items:
        """A collection's SQL.

        Raises:
            PathError: the expression is beyond the subset.
        """
        found = self._compiled(path)
        if isinstance(found, Items):
            return found
        truth = self.names.let(
            found.sql,
            lambda v: (
                f"CASE WHEN {v} IS NULL THEN {NONE} ELSE [CAST(CASE WHEN {v} THEN 'true' ELSE 'false' END AS JSON)] END"
            ),
        )
        return Items(truth, FLAG)

    def flag(self, path: Path) -> str:
        """A condition's SQL: a boolean, NULL where it is empty.

        Raises:
            PathError: it can be no boolean, or is beyond the subset.
        """
        found = self._compiled(path)
        if isinstance(found, Flag):
            return found.sql
        if found.known not in {"", FLAG}:
            raise PathError(path.at, f"a condition is a boolean, and this is a {found.known}")
        return self.names.let(
            found.sql,
            lambda v: (
                f"CASE WHEN len({v}) = 0 THEN NULL WHEN len({v}) > 1 OR json_type({v}[1]) <> 'BOOLEAN' "
                f"THEN {self.names.refusal('flag', v)} ELSE {json_text(f'{v}[1]')} = 'true' END"
            ),
        )

    def _compiled(self, path: Path) -> Items | Flag:
        match path:
            case Literal():
                return _literal(path)
            case This():
                return Items(f"[{self.item}]")
            case Member():
                return self._member(path)
            case Index():
                place = path.place + 1
                base = self.items(path.base)
                return Items(f"({base.sql})[{place}:{place}]", base.known)
            case Call():
                return self._call(path)
            case Binary():
                return self._binary(path)

    def _member(self, path: Member) -> Items:
        if path.name[0].isupper():
            if isinstance(path.base, This) and self.is_root and path.name == self.resource:
                return Items(f"[{self.item}]")
            raise PathError(
                path.at, f"no element is called {path.name}; {self.resource} may stand at a beginning alone"
            )
        if isinstance(path.base, This):
            return Items(elements(self.names, self.item, path.name))
        each = self.names.new()
        found = elements(self.names, each, path.name)
        return Items(f"flatten(list_transform({self._structures(path.base)}, lambda {each}: {found}))")

    def _structures(self, path: Path) -> str:
        base = self.items(path)
        if base.known:
            raise PathError(path.at, f"a {base.known} has no elements")
        return base.sql

    def _within(self, path: Path, item: str) -> str:
        with self.names.deeper() as fits:
            if not fits:
                raise PathError(path.at, TOO_DEEP)
            return Compiler(self.names, self.resource, item, is_root=False).flag(path)

    def _filtered(self, base: Items, criteria: Path) -> Items:
        each = self.names.new()
        kept = f"list_filter({base.sql}, lambda {each}: COALESCE({self._within(criteria, each)}, FALSE))"
        return Items(kept, base.known)

    def _call(self, path: Call) -> Items | Flag:
        special = {
            "ofType": self._of_type,
            "getResourceKey": self._resource_key,
            "getReferenceKey": self._reference_key,
            "join": self._join,
            "extension": self._extension,
        }
        if path.name in special:
            return special[path.name](path)
        if path.name == "not":
            return Flag(f"(NOT {self.flag(path.base)})")
        base = self.items(path.base)
        if path.arguments:
            base = self._filtered(base, path.arguments[0])
        match path.name:
            case "exists":
                return Flag(f"(len({base.sql}) > 0)")
            case "empty":
                return Flag(f"(len({base.sql}) = 0)")
            case "first":
                return Items(f"({base.sql})[1:1]", base.known)
        return base

    def _of_type(self, path: Call) -> Items:
        named, base = path.arguments[0], path.base
        name = named.name if isinstance(named, Member) and isinstance(named.base, This) else ""
        if name not in DATA_TYPES:
            raise PathError(
                named.at, f"R4 has no data type {name}" if name else "ofType() takes the name of a data type"
            )
        if not isinstance(base, Member) or base.name[0].isupper():
            raise PathError(path.at, "ofType() follows the name of an element with a choice of types")
        own = f"{base.name}{suffix_of(name)}"
        each = self.item if isinstance(base.base, This) else self.names.new()
        plain = f"json_type({each}, '$.{base.name}')"
        found = (
            f"(CASE WHEN {plain} IS NOT NULL THEN {self.names.refusal('choice', each)} "
            f"ELSE {field(self.names, each, own)} END)"
        )
        known = PRIMITIVES.get(name, "")
        if isinstance(base.base, This):
            return Items(found, known)
        return Items(f"flatten(list_transform({self._structures(base.base)}, lambda {each}: {found}))", known)

    def _join(self, path: Call) -> Items:
        base, separator = self.items(path.base), ""
        if path.arguments:
            given = path.arguments[0]
            if not isinstance(given, Literal) or given.kind != TEXT:
                raise PathError(given.at, "join() takes a text")
            separator = given.text
        each = self.names.new()
        texts = (
            f"list_transform({base.sql}, lambda {each}: CASE WHEN json_type({each}) = 'VARCHAR' "
            f"THEN {json_text(each)} ELSE {self.names.refusal('join', each)} END)"
        )
        return Items(f"[to_json(array_to_string({texts}, {text_sql(separator)}))]", TEXT)

    def _extension(self, path: Call) -> Items:
        given = path.arguments[0]
        if not isinstance(given, Literal) or given.kind != TEXT:
            raise PathError(given.at, "extension() takes a URL as a text")
        chosen = Binary(path.at, "=", Member(path.at, This(path.at), "url"), given)
        return self._filtered(self._member(Member(path.at, path.base, "extension")), chosen)

    def _resource_key(self, path: Call) -> Items:
        is_whole = isinstance(path.base, This) or path.base == Member(
            path.base.at, This(path.base.at), self.resource
        )
        if not self.is_root or not is_whole:
            raise PathError(
                path.at, "getResourceKey() is asked of the resource itself, outside forEach and where()"
            )
        prefix = text_sql(f"{self.resource}/")
        key = self.names.let(
            f"json_extract_string({self.item}, '$.id')",
            lambda v: f"CASE WHEN {v} IS NULL THEN {NONE} ELSE [to_json({prefix} || {v})] END",
        )
        return Items(key, TEXT)

    def _reference_key(self, path: Call) -> Items:
        wanted = ""
        if path.arguments:
            named = path.arguments[0]
            wanted = named.name if isinstance(named, Member) and isinstance(named.base, This) else ""
            if not wanted[:1].isupper():
                raise PathError(named.at, "getReferenceKey() takes the name of a resource type")
        each, kept = self.names.new(), self.names.new()
        of_type = f"WHEN NOT starts_with(r, {text_sql(wanted + '/')}) THEN NULL " if wanted else ""

        def key(reference: str) -> str:
            return (
                f"CASE WHEN {reference} IS NULL OR {reference}[1] = '#' OR starts_with({reference}, 'urn:') THEN NULL "
                f"WHEN NOT regexp_full_match({reference}, {text_sql(_REFERENCE)}) "
                f"THEN {self.names.refusal('reference', reference)} {of_type.replace('(r,', f'({reference},')}"
                f"ELSE to_json(regexp_replace({reference}, '/_history/.*', '')) END"
            )

        keys = self.names.let(f"json_extract_string({each}, '$.reference')", key)
        found = f"list_transform({self._structures(path.base)}, lambda {each}: {keys})"
        return Items(f"list_filter({found}, lambda {kept}: {kept} IS NOT NULL)", TEXT)

    def _binary(self, path: Binary) -> Flag:
        if path.sign in {"and", "or"}:
            both = f"[{self.flag(path.left)}, {self.flag(path.right)}]"  # in a list both are computed, whatever one gives
            return Flag(self.names.let(both, lambda v: f"{v}[1] {path.sign.upper()} {v}[2]"))
        left, right = self.items(path.left), self.items(path.right)
        if left.known and right.known and left.known != right.known:
            reason = f"compares a {left.known} with a {right.known}"
            if {left.known, right.known} == {TEXT, TEMPORAL}:
                reason += "; a date is written @1980-05-06"
            raise PathError(path.at, reason)
        if path.sign not in {"=", "!="}:
            _check_order(path, left, right)
        return Flag(self._compared(path.sign, left, right))

    def _compared(self, sign: str, left: Items, right: Items) -> str:
        names, known = self.names, left.known or right.known
        unequal = {
            "=": "WHEN len({0}) <> len({1}) THEN FALSE",
            "!=": "WHEN len({0}) <> len({1}) THEN TRUE",
        }.get(sign, "")

        def counted(both: str) -> str:
            x, y = f"{both}['x']", f"{both}['y']"
            values = _pair(names, f"{x}[1]", sign, f"{y}[1]", known)
            return (
                f"CASE WHEN len({x}) = 0 OR len({y}) = 0 THEN NULL {unequal.format(x, y)} "
                f"WHEN len({x}) > 1 OR len({y}) > 1 THEN {names.refusal('many', x)} ELSE {values} END"
            )

        return names.let(f"{{'x': {left.sql}, 'y': {right.sql}}}", counted)


def _literal(path: Literal) -> Items:
    if path.kind in {TEXT, TEMPORAL}:
        return Items(f"[to_json({text_sql(path.text)})]", path.kind)
    return Items(f"[CAST({text_sql(path.text)} AS JSON)]", path.kind)


def _check_order(path: Binary, left: Items, right: Items) -> None:
    if FLAG in {left.known, right.known}:
        raise PathError(path.at, f"{path.sign} does not order booleans")
    for each in (path.left, path.right):
        if isinstance(each, Literal) and each.kind == TEXT and each.text[:4].isdigit() and "-" in each.text:
            raise PathError(each.at, "orders by a text that looks like a date; a date is written @1980-05-06")


def _pair(names: Names, a: str, sign: str, b: str, known: str) -> str:
    """Two values that are there."""
    positive, before = ("=", "NOT ") if sign == "!=" else (sign, "")
    x, y = json_text(a), json_text(b)
    plain, dated = f"{before}({x} {positive} {y})", f"{before}({temporal.compared(names, x, positive, y)})"
    if known == TEMPORAL:
        texts = dated
    elif known == TEXT:
        texts = plain
    else:
        texts = (
            f"CASE WHEN {temporal.is_temporal(x)} AND {temporal.is_temporal(y)} THEN {dated} ELSE {plain} END"
        )
    s, t = f"json_type({a})", f"json_type({b})"
    unlike = {"=": "FALSE", "!=": "TRUE"}.get(sign) or names.refusal("unlike", a)
    flags = (
        f"WHEN {s} = 'BOOLEAN' AND {t} = 'BOOLEAN' THEN {before}({x} = {y}) " if sign in {"=", "!="} else ""
    )
    return (
        f"CASE WHEN {s} IN ('OBJECT', 'ARRAY') OR {t} IN ('OBJECT', 'ARRAY') THEN {names.refusal('structure', a)} "
        f"WHEN {s} = 'VARCHAR' AND {t} = 'VARCHAR' THEN {texts} "
        f"WHEN {s} IN {WHOLE_NUMBERS} AND {t} IN {WHOLE_NUMBERS} "
        f"THEN {before}(CAST({x} AS HUGEINT) {positive} CAST({y} AS HUGEINT)) "
        f"WHEN {s} IN {NUMBERS} AND {t} IN {NUMBERS} THEN {before}(CAST({x} AS DOUBLE) {positive} CAST({y} AS DOUBLE)) "
        f"{flags}ELSE {unlike} END"
    )
