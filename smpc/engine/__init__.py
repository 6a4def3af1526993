"""CrypTen on our sessions: the one room that knows torch; importing it loads nothing.

Floor:    smpc.engine: refusal < current; loading, settings, randomness, communicator < provider < seams <
          tensors < products; kernels stands alone.
Terms:    a seam is a place in CrypTen where something of ours is put; each is named in ``seams`` with its
          reason.
Promise:  CrypTen's calls belong to the session of the thread that makes them; nothing is pickled; nothing
          falls back to CrypTen's own sockets, generators or dealer; outside a session, calls are refused.
Not here: what a plan uses by default (``operations``; decision record 12).
"""
