"""Structure of several columns: principal components."""
