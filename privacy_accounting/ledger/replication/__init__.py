"""Replication of the ledger: proposals, signatures, validation, the sequencer."""
