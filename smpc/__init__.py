"""Computing on secret shares between parties over mutual TLS.

Layer:       smpc; independent of privacy_accounting, imports no other package of this product.
Modules:     errors; computing_sites (who does what without a dealer); ring (integers mod 2**64); kernels (matrix
             products); randomness (keystreams, shares of zero); sharing; transport (channels); dealer (correlated
             randomness); session (who takes part); operations (what is computed on shares); engine (CrypTen over a
             session, the only package that imports torch); cost (rounds and bytes beforehand); fault_injection and
             simulator (a session in one process, with faults).
Guarantees:  importing this package, or any module but engine, loads no torch.
See instead: what may be opened to whom (analytics.disclosure.release).
"""
