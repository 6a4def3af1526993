"""An analyst's preflight at one site: checks before a run, without a row and without a charge.

Modules:     source_checks (dry openings of a site's tables), record (what they found, for the administrator), service (the
             answer).
"""
