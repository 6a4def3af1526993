"""What may open of a statistic: small cells, leverage, relations between columns."""
