"""A site's own table: read once, cleaned once, then one scan a question.

Modules:     spec (what the site's file says), database (DuckDB, shut off from the outside), csv_faults, frames and
             views (what is wrong with a file, a frame, a view, without its data), cleaning (typed columns on their
             grids), units (the privacy unit's normal form), ingest (rows of one unit), report (for the site's
             administrator alone), source (the port).
"""

from analytics.sources.local_table import LocalTable, open_frame, open_table
from analytics.sources.report import ColumnReport, IngestReport
from analytics.sources.spec import SourceSpec

__all__ = ["ColumnReport", "IngestReport", "LocalTable", "SourceSpec", "open_frame", "open_table"]
