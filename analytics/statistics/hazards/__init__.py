"""Cox regression: its sums on shares, its released table, and its answers."""
