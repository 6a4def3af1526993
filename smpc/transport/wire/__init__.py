"""What crosses a connection: TLS with pinned identities, the first frames, and all later ones."""
