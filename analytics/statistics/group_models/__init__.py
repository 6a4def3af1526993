"""Generalised models from one noisy table of covariate groups."""
