"""Fixed point, functions, matrices and regression on shares."""
