"""Channels between the parties: mutual TLS 1.3 between processes, queues between threads, one frame format.

Layer:       smpc.transport: deadline, wakeup, frames < handshake < tls < connection < endpoint < listener; mesh <
             memory; liveness < heartbeat; link, connection_pool < tls_mesh < session_setup < data_plane.
Terms:       a mesh is what a session sees of all this; every byte on the wire stands in docs/wire-format.md.
Guarantees:  a party exchanges messages only with peers whose certificate, name, role and configuration are those of
             the roster; a peer that is killed, frozen or hostile costs one session, reported with the peer's name,
             and nothing else.
See instead: what is computed (``session``, ``operations``).
"""
