"""Statistics of which only the last figure opens: sums, ratios and F on shares."""
