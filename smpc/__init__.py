"""Computing on secret shares between parties over mutual TLS.

Floor:    smpc; a stranger to privacy_accounting, imports nothing of the house.
Rooms:    errors; three_sites (who does what without a dealer); ring (integers mod 2**64); kernels (matrix
          products); randomness (keystreams, shares of zero); sharing; transport (channels); dealer (correlated
          randomness); session (who takes part); operations (what is computed on shares); cost (rounds and bytes
          beforehand); simulator (a session in one process, with faults); engine (CrypTen over a session, the
          only room that knows torch).
Promise:  importing this package, or any room but engine, loads no torch.
Not here: what may be opened to whom (analytics.release).
"""
