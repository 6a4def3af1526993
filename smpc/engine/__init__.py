"""CrypTen over a session: the only package that imports torch; importing the package itself loads nothing.

Layer:       smpc.engine: refusal < current; loading, settings, randomness, communicator < provider < crypten_patches
             < tensors < products; kernels stands alone.
Terms:       a patch replaces a part of CrypTen by one of ours; ``crypten_patches`` names each with its reason.
Guarantees:  CrypTen's calls belong to the session of the thread that makes them; nothing is pickled; nothing falls
             back to CrypTen's own sockets, generators or dealer; outside a session, calls are refused.
See instead: what a plan uses by default (``operations``; decision record 12).
"""
