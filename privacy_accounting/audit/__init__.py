"""Audits: what an outsider checks from ledger files alone, without any site's key.

Layer:       privacy_accounting.audit, above ``ledger``.
Modules:     ``verify`` (chain, signatures, totals, all sites' files against each other) · ``statement`` (who asked
             what at which price, what is left) · ``recompute`` (every cost again from its event).
"""
