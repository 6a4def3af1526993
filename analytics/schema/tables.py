"""Tables, and the schema that holds them.

Layer:       analytics.schema above columns and reading.
Guarantees:  frozen; two sites with equal schemas have equal canonical dictionaries.
See instead: what a privacy budget is (privacy_accounting); which site holds which file (federation).
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from analytics.errors import Mistake, SchemaError
from analytics.schema.columns import Column, IdentifierColumn
from analytics.schema.pictures import Picture  # noqa: TC001  the API's page reads it
from analytics.schema.reading import read_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROW = "row"
MAX_ROWS = 2**40
MAX_ROWS_PER_UNIT = 1_000_000
UnitForm = Literal["text", "integer"]
LinkStep = Literal["nfkc", "casefold", "no_blanks", "no_punctuation", "no_leading_zeros"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table that every site has its own rows of.

    Attributes:
        name: the table's name in SQL.
        population: whose patients these are; owns the budget.
        privacy_unit: the column that says whose row it is, or ``row``.
        max_rows_per_unit: rows of one unit that count at one site.
        max_sites_per_unit: sites at which one unit may have rows; None: all of them.
        rows_max: public bound on the rows of one site.
        exact_dimensions: columns that exact WHERE, GROUP BY and items may use.
        columns: each column under its name, in declared order, the privacy unit's column among them unless it is ``row``.
        unit_form: how identifiers are compared: as texts or as integers; ``sources.units`` says exactly how.
        pictures: pictures and masks of each row, by name; models alone look at them.
        guessed: names of the keys above that came from data and wait for a person; nothing is answered until then.
        link_form: how identifiers are made equal before sites link their patients, beyond ``unit_form``; an empty list adds
            nothing. None: the table's patients cannot be linked.
    """

    name: str
    population: str
    privacy_unit: str
    max_rows_per_unit: int
    max_sites_per_unit: int | None
    rows_max: int
    exact_dimensions: tuple[str, ...]
    columns: Mapping[str, Column]
    unit_form: UnitForm = "text"
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    guessed: tuple[str, ...] = ()
    link_form: tuple[LinkStep, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))
        object.__setattr__(self, "pictures", MappingProxyType(dict(self.pictures)))
        found = tuple(self._mistakes())
        if found:
            raise SchemaError(mistakes=found)

    def _mistakes(self) -> Iterator[Mistake]:
        yield from self._limit_mistakes()
        yield from self._name_mistakes()
        for name, column in self.columns.items():
            if isinstance(column, IdentifierColumn) and name != self.privacy_unit:
                problem = "only the privacy unit can be an identifier: leave other identifiers out"
                yield Mistake(path=f"columns.{name}.type", problem=problem)
        for name in self.exact_dimensions:
            if name not in self.columns or name == self.privacy_unit:
                problem = f"{name} is not a declared column that may be filtered or grouped by"
                yield Mistake(path="exact_dimensions", problem=problem)
        if len(set(self.exact_dimensions)) != len(self.exact_dimensions):
            yield Mistake(path="exact_dimensions", problem="names must differ")

    def _limit_mistakes(self) -> Iterator[Mistake]:
        limits = (
            ("max_rows_per_unit", self.max_rows_per_unit, MAX_ROWS_PER_UNIT),
            ("max_sites_per_unit", self.max_sites_per_unit, 1_000),
            ("rows_max", self.rows_max, MAX_ROWS),
        )
        for path, value, largest in limits:
            if value is not None and not 1 <= value <= largest:
                yield Mistake(path=path, problem=f"must be between 1 and {largest}")
        if self.privacy_unit == ROW and self.max_rows_per_unit != 1:
            yield Mistake(path="max_rows_per_unit", problem="must be 1 when the privacy unit is the row")
        if self.privacy_unit == ROW and self.unit_form != "text":
            yield Mistake(
                path="unit_form", problem="says nothing when the privacy unit is the row: leave it out"
            )

        if self.privacy_unit == ROW and self.link_form is not None:
            yield Mistake(
                path="link_form", problem="needs an identifier: declare a column as the privacy unit"
            )

    def _name_mistakes(self) -> Iterator[Mistake]:
        folded = [name.lower() for name in (*self.columns, *self.pictures)]
        if len(set(folded)) != len(folded):
            yield Mistake(path="columns", problem="two names differ only in upper and lower case")
        if ROW in folded:
            yield Mistake(path="columns.row", problem="row means the row itself: rename the column")
        if not any(not isinstance(column, IdentifierColumn) for column in self.columns.values()):
            yield Mistake(path="columns", problem="declare at least one column")
        unit = self.columns.get(self.privacy_unit)
        if self.privacy_unit != ROW and not isinstance(unit, IdentifierColumn):
            yield Mistake(path="privacy_unit", problem="its column must have the type identifier")

    @property
    def units_are_rows(self) -> bool:
        """Whether counting rows counts units: one row a unit, enforced at ingest."""
        return self.max_rows_per_unit == 1

    @property
    def open_guess(self) -> str:
        """What a person must still check before anything is answered from this table; empty when nothing."""
        if not self.guessed:
            return ""
        names = ", ".join(self.guessed)
        line = "guessed = [" + ", ".join(f'"{name}"' for name in self.guessed) + "]"
        return f"{names} of {self.name}: guessed from data; check, then delete the line {line} under [tables.{self.name}]"

    def sites_per_unit(self, n_sites: int) -> int:
        """Sites at which one unit may have rows, of ``n_sites``."""
        return n_sites if self.max_sites_per_unit is None else min(self.max_sites_per_unit, n_sites)

    def column(self, name: str) -> Column | None:
        """The column of this name, upper and lower case alike, or None."""
        folded = name.lower()
        return next((column for key, column in self.columns.items() if key.lower() == folded), None)

    def to_dict(self) -> dict[str, object]:
        """Canonical form; defaults of max_sites_per_unit, unit_form, pictures, guessed and link_form stay left out."""
        shape: dict[str, object] = {
            "population": self.population,
            "privacy_unit": self.privacy_unit,
            "max_rows_per_unit": self.max_rows_per_unit,
            "rows_max": self.rows_max,
            "exact_dimensions": list(self.exact_dimensions),
            "columns": {name: column.to_dict() for name, column in self.columns.items()},
        }
        if self.max_sites_per_unit is not None:
            shape["max_sites_per_unit"] = self.max_sites_per_unit
        if self.unit_form != "text":
            shape["unit_form"] = self.unit_form
        if self.pictures:
            shape["pictures"] = {name: picture.to_dict() for name, picture in self.pictures.items()}
        if self.guessed:
            shape["guessed"] = list(self.guessed)
        if self.link_form is not None:
            shape["link_form"] = list(self.link_form)
        return shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """All tables of a consortium.

    Attributes:
        tables: each table under its name, in declared order.
    """

    tables: Mapping[str, Table]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tables", MappingProxyType(dict(self.tables)))

    @classmethod
    def from_dict(cls, mapping: Mapping[str, object]) -> Schema:
        """Read a schema from a dictionary or from parsed TOML.

        Args:
            mapping: ``{"tables": {name: {...}}}``; its keys are in docs/reference/schema.md.

        Returns:
            The schema.

        Raises:
            SchemaError: with every mistake and its path.
        """
        mistakes: list[Mistake] = []
        tables: dict[str, Table] = {}
        for name, fields in read_tables(mapping, mistakes):
            try:
                tables[name] = Table(**fields)
            except SchemaError as error:
                mistakes += [
                    Mistake(path=f"tables.{name}.{found.path}", problem=found.problem)
                    for found in error.mistakes
                ]
        if mistakes:
            raise SchemaError(mistakes=sorted(set(mistakes)))
        return cls(tables=tables)

    def table(self, name: str) -> Table | None:
        """The table of this name, upper and lower case alike, or None."""
        folded = name.lower()
        return next((table for key, table in self.tables.items() if key.lower() == folded), None)

    def to_dict(self) -> dict[str, object]:
        """Canonical form; ``Schema.from_dict(schema.to_dict()) == schema``."""
        return {"tables": {name: table.to_dict() for name, table in self.tables.items()}}
