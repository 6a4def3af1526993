"""The checks of `crossward doctor`."""
