"""Steps between a source's rows and the site's view: the pass that runs a mapping.

Modules:     run (one temporary table a step), mapped (ingest with a mapping, and its check).
"""
