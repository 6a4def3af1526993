"""Names of R4's data types, and what the program must know of their values.

Layer:       analytics.sources.formats.fhir.types, the lowest.
Source:      FHIR R4 (4.0.1), "Data Types" and "Open Type Element".
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT: Final = "text"
NUMBER: Final = "number"
FLAG: Final = "boolean"
TEMPORAL: Final = "date or time"

PRIMITIVES: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(
        ("base64Binary", "canonical", "code", "id", "markdown", "oid", "string", "uri", "url", "uuid"), TEXT
    )
    | dict.fromkeys(("date", "dateTime", "instant", "time"), TEMPORAL)
    | dict.fromkeys(("decimal", "integer", "positiveInt", "unsignedInt"), NUMBER)
    | {"boolean": FLAG}
)
COMPLEX: Final = frozenset(
    {
        *("Address", "Age", "Annotation", "Attachment", "CodeableConcept", "Coding", "ContactDetail"),
        *("ContactPoint", "Contributor", "Count", "DataRequirement", "Distance", "Dosage", "Duration"),
        *("Expression", "HumanName", "Identifier", "Meta", "Money", "ParameterDefinition", "Period"),
        *("Quantity", "Range", "Ratio", "Reference", "RelatedArtifact", "SampledData", "Signature"),
        *("Timing", "TriggerDefinition", "UsageContext"),
    }
)
DATA_TYPES: Final = frozenset({*PRIMITIVES, *COMPLEX})
WHOLE: Final = frozenset({"integer", "positiveInt", "unsignedInt"})


def suffix_of(data_type: str) -> str:
    """How the name of an element with a choice of types ends: ``valueDateTime`` for ``dateTime``."""
    return data_type[0].upper() + data_type[1:]


def column_type(data_type: str) -> str:
    """The database's type of a column: dates stay the text that was written, whatever its precision.

    Args:
        data_type: a primitive type; empty: none was declared.
    """
    if data_type in WHOLE:
        return "BIGINT"
    return {"boolean": "BOOLEAN", "decimal": "DOUBLE"}.get(data_type, "VARCHAR")
