"""Correlated randomness from a dealer that sees no data and holds no key between parties, or from one of three sites.

Layer:       smpc.dealer: parts | requests < matrices < correlations < frames < pool < service | supply < site_supply.
Terms:       the dealer is a helper of the mesh; a batch is one request list and its answer.
Guarantees:  the dealer answers only lists that all parties sent alike; a session id is served once in a dealer's
             life, every batch under fresh seeds, every piece handed out once. A dealing site (``site_supply``) deals
             a list of its own, which the others compare with theirs.
See instead: what the material is used for (``operations``). The dealer knows every mask: together with one computing
             party it could open what the masks hide, together with a mere recipient of answers it could not (zero
             shares, made from keys it never holds, stand before every opening).
"""
