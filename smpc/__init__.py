"""Computation on secret shares between parties that are connected over mutual TLS.

Layer:       smpc; imports no other package of this product, and is independent of privacy_accounting.
Modules:     errors; computing_sites (who does what without a dealer); ring (integers mod 2**64); kernels (matrix
             products); randomness (keystreams, shares of zero); sharing; transport (channels); dealer (correlated
             randomness); session (who takes part); set_intersection (of two parties); operations (what is computed on
             shares); engine (CrypTen over a session, the only package that imports torch); cost (rounds and bytes
             beforehand); fault_injection and simulator (a session in one process, with faults).
Guarantees:  importing this package, or any module but engine, does not load torch.
See instead: what may be opened to whom (analytics.disclosure.release).
"""
