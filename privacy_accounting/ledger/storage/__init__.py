"""Where a ledger is kept: SQLite, PostgreSQL, archives, checkpoints, exports."""
