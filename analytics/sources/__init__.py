"""A site's own table: read once, cleaned once, then one scan a question.

Rooms: spec (what the site's file says), database (DuckDB, shut off from the outside), cleaning (typed columns
       on their
grids), capping (rows of one unit), report (for the site's administrator alone), source (the port).
"""

from analytics.sources.report import ColumnReport, IngestReport
from analytics.sources.source import Source, open_frame, open_source
from analytics.sources.spec import SourceSpec

__all__ = ["ColumnReport", "IngestReport", "Source", "SourceSpec", "open_frame", "open_source"]
