"""Channels between the parties: mutual TLS 1.3 between processes, queues between threads, one frame format.

Layer:       smpc.transport: deadline, bell, frames < hello < tls < connection < endpoint < listener; mesh < memory;
             liveness < control; link, reception < tls_mesh < opening < data_plane.
Terms:       a mesh is what a session sees of all this; every byte on the wire stands in docs/wire-format.md.
Guarantees:  nobody is spoken to whose certificate, name, role and configuration are not those of the roster; a peer
             that is killed, frozen or hostile costs a session, with the peer's name, and nothing else.
See instead: what is computed (``session``, ``operations``).
"""
