"""A site's local table: loaded once, cleaned once, then one scan for each question.

Modules:     spec (what the site's file says), loading (DuckDB, shut off from the outside), csv_faults, frames and
             views (faults of a file, a frame, a view, reported without data), cleaning (typed columns on their
             grids), units (the privacy unit's normal form), ingest (rows of one unit), report (for the site's
             administrator alone), engines (the databases that hold the clean table),
             local_table (the clean table that plans scan).
"""

from analytics.sources.local_table import LocalTable, open_frame, open_table
from analytics.sources.report import ColumnReport, IngestReport
from analytics.sources.spec import SourceSpec

__all__ = ["ColumnReport", "IngestReport", "LocalTable", "SourceSpec", "open_frame", "open_table"]
