"""Members and roles that are in force at an entry of the ledger."""
