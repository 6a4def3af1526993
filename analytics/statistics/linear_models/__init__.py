"""What regression models share: fits by steps, families, least squares and their answers."""
