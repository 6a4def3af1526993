"""Terms that an amendment adds to the agreement: columns, tables, wider domains, another minimum cell or policy floor.

Layer:       federation.consortium.agreement_terms, below consortium_file. Pure.
Terms:       a *terms file* is TOML in the form of a consortium file with only what is added: ``minimum_cell``, keys of
             ``floor``, whole new tables, and of present tables new columns, columns as they are to be,
             ``exact_dimensions``, ``rows_max`` and ``guessed``. What it does not name stays.
Guarantees:  equal terms have one text. Terms take nothing away by their form; what they put in place of a present column
             must be wider (``analytics.schema.widening``).
See instead: the entry (``privacy_accounting.ledger.changes.agreement_change``), the agreement in force (``consortium_file``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from analytics.errors import SchemaError
from analytics.schema import Schema
from analytics.schema.widening import widening_mistakes
from federation.consortium.consortium_model import Floor
from federation.consortium.file_format.file_reading import validated
from federation.errors import ConfigError
from privacy_accounting.decimals import format_decimal
from privacy_accounting.ledger.changes.agreement_change import MAX_TERMS

_KEYS: Final = ("minimum_cell", "floor", "tables")
_OF_PRESENT: Final = ("columns", "exact_dimensions", "rows_max", "guessed")
MOST_CELL: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementTerms:
    """What one amendment adds to the agreement.

    Attributes:
        minimum_cell: the agreement's; None: it stays.
        floor: the whole policy floor, by key; None: it stays.
        tables: by name, whole ones or the parts of present ones, in the canonical form of a schema.
    """

    minimum_cell: int | None = None
    floor: Mapping[str, Any] | None = None
    tables: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def between(
        cls,
        old: Schema,
        new: Schema,
        *,
        minimum_cell: int | None = None,
        floor: Mapping[str, Any] | None = None,
    ) -> AgreementTerms:
        """Give the terms that lead from one schema to another that has all its tables and columns, with what else changes."""
        tables: dict[str, Any] = {}
        before, after = (schema.to_dict()["tables"] for schema in (old, new))
        for name, table in dict(after).items():  # type: ignore[call-overload]
            known = dict(before).get(name)  # type: ignore[call-overload]
            part = table if known is None else _added(known, table)
            if part:
                tables[name] = part
        return cls(minimum_cell=minimum_cell, floor=floor, tables=tables)

    def to_text(self) -> str:
        """Write the one text of these terms.

        Raises:
            ConfigError: they are empty, or too long for one entry of the ledger.
        """
        fields: dict[str, Any] = {}
        if self.minimum_cell is not None:
            fields["minimum_cell"] = self.minimum_cell
        if self.floor is not None:
            fields["floor"] = self.floor
        if self.tables:
            fields["tables"] = self.tables
        if not fields:
            raise ConfigError(mistakes=["terms: they change nothing"])
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        if len(text) > MAX_TERMS:
            raise ConfigError(
                mistakes=[
                    f"terms: {len(text)} characters, and one entry holds {MAX_TERMS}: amend in several steps"
                ]
            )
        return text

    @classmethod
    def from_text(cls, text: str) -> AgreementTerms:
        """Read a text strictly.

        Raises:
            ConfigError: it is not what ``to_text`` writes.
        """
        try:
            fields = json.loads(text)
            found = cls(**fields) if isinstance(fields, dict) and set(fields) <= set(_KEYS) else None
        except (ValueError, TypeError, RecursionError) as error:
            raise ConfigError(mistakes=["terms: not readable"]) from error
        if found is None or found._is_malformed() or found.to_text() != text:  # noqa: SLF001 - its own class
            raise ConfigError(mistakes=["terms: not in canonical form"])
        found.floor_after(None)
        return found

    def _is_malformed(self) -> bool:
        cell = self.minimum_cell
        is_number = cell is None or (type(cell) is int and 0 <= cell <= MOST_CELL)
        is_floor = self.floor is None or isinstance(self.floor, dict)
        return not (is_number and is_floor and isinstance(self.tables, dict))

    def floor_after(self, present: Floor | None) -> Floor | None:
        """Give the policy floor as the terms leave it.

        Raises:
            ConfigError: the terms hold a mistake, or do not write a floor in its one form.
        """
        if self.floor is None:
            return present
        found = _floor(self.floor)
        if floor_fields(found) != self.floor:
            raise ConfigError(mistakes=["terms: floor: not in canonical form"])
        return found

    def applied(self, schema: Schema, minimum_cell: int) -> tuple[Schema, int]:
        """Apply the terms to an agreement.

        Args:
            schema: its schema.
            minimum_cell: its smallest cell.

        Returns:
            Both as the terms leave them.

        Raises:
            ConfigError: with every mistake: of the schema that results, and of what would be narrower.
        """
        tables: dict[str, Any] = {**schema.to_dict()["tables"]}  # type: ignore[dict-item]
        for name, part in self.tables.items():
            tables[name] = _merged(name, tables.get(name), part)
        try:
            wider = Schema.from_dict({"tables": tables})
        except SchemaError as error:
            raise ConfigError(mistakes=[f"terms: {mistake}" for mistake in error.mistakes]) from error
        mistakes = widening_mistakes(schema, wider)
        if mistakes:
            raise ConfigError(mistakes=[f"terms: {mistake}" for mistake in mistakes])
        cell = minimum_cell if self.minimum_cell is None else self.minimum_cell
        return wider, cell


def _floor(fields: Mapping[str, Any]) -> Floor:
    mistakes: list[str] = []
    found = validated(Floor, fields, "terms: floor", mistakes)
    if found is None:
        raise ConfigError(mistakes=mistakes)
    return found


def floor_fields(floor: Floor | None) -> dict[str, Any]:
    """Write a policy floor by key, numbers with a point as texts; one that asks for nothing is the same as none."""
    floor = floor or Floor()
    plain = {key: getattr(floor, key) for key in Floor.model_fields}
    if not floor.require:  # terms written before this key existed keep their one form
        del plain["require"]
    return {key: format_decimal(each) if isinstance(each, Fraction) else each for key, each in plain.items()}


def terms_of_document(
    document: Mapping[str, Any], schema: Schema, minimum_cell: int, floor: Floor | None
) -> AgreementTerms:
    """Read a terms file.

    Args:
        document: the file as plain data.
        schema: in force.
        minimum_cell: in force.
        floor: in force; keys of it that the file does not name stay.

    Raises:
        ConfigError: with the mistakes of the file, and of what would be narrower.
    """
    unknown = sorted(set(document) - set(_KEYS))
    if unknown:
        raise ConfigError(
            mistakes=[f"terms: {key} cannot be amended here, only {' and '.join(_KEYS)}" for key in unknown]
        )
    given, cell, more = document.get("tables", {}), document.get("minimum_cell"), document.get("floor", {})
    if not isinstance(more, Mapping):
        raise ConfigError(mistakes=["terms: floor must be a table of named values"])
    if not isinstance(given, Mapping):
        raise ConfigError(mistakes=["terms: tables must be a table of named values"])
    if cell is not None and not (type(cell) is int and 0 <= cell <= MOST_CELL):
        raise ConfigError(mistakes=[f"terms: minimum_cell must be a whole number from 0 to {MOST_CELL}"])
    wider, _ = AgreementTerms(minimum_cell=cell, tables=given).applied(schema, minimum_cell)
    after = floor_fields(_floor({**floor_fields(floor), **more}))
    terms = AgreementTerms.between(
        schema,
        wider,
        minimum_cell=None if cell == minimum_cell else cell,
        floor=None if after == floor_fields(floor) else after,
    )
    terms.to_text()
    return terms


def _added(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a table that differs from its earlier form."""
    part = {key: new[key] for key in _OF_PRESENT[1:3] if new[key] != old[key]}
    if new.get("guessed", []) != old.get("guessed", []):
        part["guessed"] = new.get("guessed", [])
    columns = {name: column for name, column in new["columns"].items() if old["columns"].get(name) != column}
    return part | ({"columns": columns} if columns else {})


def _merged(name: str, known: Mapping[str, Any] | None, part: object) -> object:
    if known is None or not isinstance(part, Mapping):
        return part
    others = sorted(set(part) - set(_OF_PRESENT))
    if others:
        raise ConfigError(
            mistakes=[f"terms: table {name}: {key} of a present table cannot be amended" for key in others]
        )
    columns = part.get("columns", {})
    if not isinstance(columns, Mapping):
        raise ConfigError(mistakes=[f"terms: table {name}: columns must be a table of named values"])
    return {**known, **part, "columns": {**known["columns"], **columns}}
