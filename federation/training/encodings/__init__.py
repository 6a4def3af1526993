"""Features and outcome of a model as numbers: columns and pictures."""
