"""Commands of the auditor: what was asked, by whom, and whether the ledger is whole."""
