"""Correlated randomness: from a dealer that sees no data and no pair key, or from one of three computing sites.

Layer:       smpc.dealer: correlation_parts | requests < matrices < correlations < frames < pool < service | supply <
             site_supply.
Terms:       the dealer is a helper of the mesh; a batch is one request list and its answer.
Guarantees:  the dealer answers only lists that all parties sent alike; a dealer process serves a session id once,
             every batch under fresh seeds, every piece handed out once. A dealing site (``site_supply``) deals a list
             of its own, which the others compare with theirs.
See instead: what the material is used for (``operations``). The dealer knows every mask. Together with one computing
             party it could open what the masks hide. Together with a mere recipient of answers it could not: shares
             of zero, made from keys it never holds, are added before every opening.
"""
