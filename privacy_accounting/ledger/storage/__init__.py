"""Storage of a ledger: SQLite, PostgreSQL, archives, checkpoints, exports."""
