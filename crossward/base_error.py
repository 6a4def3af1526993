"""The one base of all errors of the product.

Layer:       crossward.base_error, the lowest module of the product; imports nothing.
See instead: every error by its name (``crossward.errors``), the roots of the packages (each package's ``errors``).
"""


class CrosswardError(Exception):
    """Base of all errors that the product raises on purpose: one ``except`` clause takes them all."""
