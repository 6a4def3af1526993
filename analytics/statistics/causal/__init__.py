"""Effects of a treatment under declared confounders."""
