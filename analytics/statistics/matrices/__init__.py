"""The matrix of squares and products of columns: exact, released with noise, solved."""
