"""Bytes on a connection: TLS with pinned identities, the handshake messages, and all later frames."""
