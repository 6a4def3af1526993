"""The keys of a ViewDefinition.

Layer:       analytics.sources.formats.fhir.shape, above types.
Guarantees:  a key that is not known is refused, since it could change what the rows mean.
Source:      SQL on FHIR v2, "StructureDefinition-ViewDefinition".
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from analytics.sources.formats.fhir.types import PRIMITIVES, suffix_of

_NAME: Final = r"^[A-Za-z][A-Za-z0-9_]{0,99}$"
_URL: Final = "http://hl7.org/fhir/StructureDefinition/"
_VALUES: Final = {
    f"value{suffix_of(name)}": name for name in (*PRIMITIVES, "integer64") if name != "markdown"
}
_LARGEST: Final = 2**63 - 1

Name = Annotated[str, Field(pattern=_NAME)]
PathText = Annotated[str, Field(min_length=1, strict=True)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tag(_Model):
    """A note to other programs; it changes nothing here."""

    name: str
    value: str


class ViewColumn(_Model):
    """One column."""

    path: PathText
    name: Name
    type: str = ""
    description: str = ""
    collection: bool = False
    tag: list[Tag] = Field(default_factory=list)

    @model_validator(mode="after")
    def _is_a_cell(self) -> Self:
        if self.collection:
            msg = "collection: a cell holds one value: use first(), join(), where() or forEach"
            raise ValueError(msg)
        if self.data_type and self.data_type not in {*PRIMITIVES, "integer64"}:
            msg = f"type: {self.type} is no primitive type of R4"
            raise ValueError(msg)
        return self

    @property
    def data_type(self) -> str:
        """The primitive type without its URL; empty where none is declared."""
        return self.type.removeprefix(_URL)


class Constant(_Model):
    """A value with a name."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: Name

    @model_validator(mode="after")
    def _has_one_value(self) -> Self:
        given = self.model_extra or {}
        if unknown := [key for key in given if key not in _VALUES]:
            msg = f"{unknown[0]}: there is no such key"
            raise ValueError(msg)
        if len(given) != 1:
            msg = "a constant has one value, such as valueString"
            raise ValueError(msg)
        ((key, value),) = given.items()
        kind = PRIMITIVES.get(_VALUES[key], "number")
        if not _fits(value, kind, is_whole=key != "valueDecimal"):
            msg = f"{key}: this is no {kind}"
            raise ValueError(msg)
        return self

    @property
    def value(self) -> tuple[str, Any]:
        """The type's name and the value."""
        ((key, value),) = (self.model_extra or {}).items()
        return _VALUES[key], value


def _fits(value: object, kind: str, *, is_whole: bool) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "number":
        is_number = isinstance(value, int) or (isinstance(value, Decimal) and not is_whole)
        return is_number and not isinstance(value, bool) and abs(value) <= _LARGEST  # type: ignore[arg-type]
    return isinstance(value, str) and "\0" not in value and value.isprintable()


class Where(_Model):
    """A condition that every resource of the view fulfils."""

    path: PathText
    description: str = ""


class Select(_Model):
    """Columns, perhaps of each item of a collection, with further selects."""

    column: list[ViewColumn] = Field(default_factory=list)
    select: list[Select] = Field(default_factory=list)
    unionAll: list[Select] = Field(default_factory=list)  # noqa: N815  the standard's name
    forEach: PathText | None = None  # noqa: N815
    forEachOrNull: PathText | None = None  # noqa: N815
    repeat: Any = None

    @model_validator(mode="after")
    def _is_supported(self) -> Self:
        if self.repeat is not None:
            msg = "repeat: this is not supported"
            raise ValueError(msg)
        if self.forEach is not None and self.forEachOrNull is not None:
            msg = "forEach and forEachOrNull: one of both"
            raise ValueError(msg)
        if not self.column and not self.select and not self.unionAll:
            msg = "a select has a column, select or unionAll"
            raise ValueError(msg)
        return self


class ViewShape(_Model):
    """A whole ViewDefinition; what only describes it is read by people."""

    resourceType: Literal["ViewDefinition"] = "ViewDefinition"  # noqa: N815
    resource: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]{1,63}$")]
    select: list[Select] = Field(min_length=1)
    where: list[Where] = Field(default_factory=list)
    constant: list[Constant] = Field(default_factory=list)
    fhirVersion: list[str] = Field(default_factory=list)  # noqa: N815
    profile: Any = None
    id: Any = None
    meta: Any = None
    url: Any = None
    identifier: Any = None
    version: Any = None
    versionAlgorithmString: Any = None  # noqa: N815
    name: Any = None
    title: Any = None
    status: Any = None
    experimental: Any = None
    date: Any = None
    publisher: Any = None
    contact: Any = None
    description: Any = None
    useContext: Any = None  # noqa: N815
    jurisdiction: Any = None
    purpose: Any = None
    copyright: Any = None
    copyrightLabel: Any = None  # noqa: N815
    text: Any = None
    language: Any = None

    @model_validator(mode="after")
    def _is_of_r4(self) -> Self:
        if self.fhirVersion and not any(version.startswith("4.0") for version in self.fhirVersion):
            msg = "fhirVersion: resources are read as R4 (4.0)"
            raise ValueError(msg)
        names = [constant.name for constant in self.constant]
        if len(set(names)) < len(names):
            msg = "constant: two have one name"
            raise ValueError(msg)
        return self
