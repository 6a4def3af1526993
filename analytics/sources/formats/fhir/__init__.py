"""FHIR R4 resources in NDJSON files, as the table that a ViewDefinition makes of them.

Modules:     types (of R4), tokens, path and parser (the FHIRPath subset), sql_text, temporal and compile_path (its SQL),
             definition (a ViewDefinition and its check), rows (its SQL), ndjson_file (the kind of source).
"""

from __future__ import annotations

from analytics.sources.formats.fhir.definition import ViewDefinition
from analytics.sources.formats.fhir.ndjson_file import FhirFormat

__all__ = ["FhirFormat", "ViewDefinition"]
