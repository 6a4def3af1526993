"""Secret sharing measured beside CrypTen; ``python -m benchmarks.smpc`` runs it."""
