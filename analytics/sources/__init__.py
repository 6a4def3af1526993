"""A site's local table: loaded once, cleaned once, then one scan for each question.

Modules:     formats (kinds of file: one file and one line each), spec (what the site's file says), cells (one rule for a
             cell of any type), loading (DuckDB, shut off from the outside), frames (pandas), projection (the table
             ``source`` of a view), views and view_comparisons (a view and its faults), cleaning (typed columns on their
             grids), units (the privacy unit's normal form), findings (what columns hold), ingest (one pass; rows of one
             unit), report (for the site's administrator alone), typed_copy (the clean table of an unchanged file), steps
             and preparation (a mapping's steps, before the view), engines (the databases that hold the clean table),
             servers and pushed (tables in database servers), images (files of pictures), local_table (the clean table that
             plans scan), opening (a table read and cleaned).
"""

from analytics.sources.local_table import LocalTable
from analytics.sources.opening import open_frame, open_table
from analytics.sources.reports.report import ColumnReport, IngestReport
from analytics.sources.spec import CellRules, SourceSpec

__all__ = [
    "CellRules",
    "ColumnReport",
    "IngestReport",
    "LocalTable",
    "SourceSpec",
    "open_frame",
    "open_table",
]
