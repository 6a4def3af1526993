"""CrypTen on our sessions: the one room that knows torch; importing it loads nothing.

Layer:       smpc.engine: refusal < current; loading, settings, randomness, communicator < provider < seams < tensors
             < products; kernels stands alone.
Terms:       a seam is a place in CrypTen where something of ours is put; each is named in ``seams`` with its reason.
Guarantees:  CrypTen's calls belong to the session of the thread that makes them; nothing is pickled; nothing falls
             back to CrypTen's own sockets, generators or dealer; outside a session, calls are refused.
See instead: what a plan uses by default (``operations``; decision record 12).
"""
