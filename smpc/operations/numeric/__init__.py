"""Numbers on shares: fixed point, functions, matrices, regression."""
