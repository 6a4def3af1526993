"""Units of measurement: codes, analytes, exact conversions."""
