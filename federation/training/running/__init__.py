"""A training while it runs: its rounds, its state, its checkpoint, its outcome."""
