"""The databases that hold a site's clean table: one file an engine.

Modules:     base (what an engine must do), duckdb_engine, postgresql_engine, spark_engine.
"""
