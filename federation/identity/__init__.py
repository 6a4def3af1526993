"""Certificates and signing keys: who is who, and the authority that issues them."""
