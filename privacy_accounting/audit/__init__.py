"""Audits that an outsider can run on ledger files alone, without any site's key.

Layer:       privacy_accounting.audit, above ``ledger``.
Modules:     ``verify`` (chain, signatures, totals, all sites' files against each other) · ``statement`` (charges by
             analyst and price, what remains) · ``recompute`` (every cost again from its event).
"""
