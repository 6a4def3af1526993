"""Structure of several columns: principal components, clusters, features that are not redundant."""
