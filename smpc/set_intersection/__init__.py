"""Private set intersection between two parties of a session, by Diffie-Hellman over the group ristretto255."""
