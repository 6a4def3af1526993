"""The ledger: one chain for the consortium, replicated at each site, complete when all have signed.

Layer:       privacy_accounting.ledger, above ``budget``. Decisions and a store; it opens no connection.
Modules:     ``canonical`` (bytes) · ``budgets`` (events and budgets as bytes) · ``contents`` (kinds) · ``entries``
             (body, hash, signatures) · ``refusal``, ``messages`` (between nodes) · ``members`` (who signs) · ``state``
             (the folded chain) · replication: ``entry_validation`` (checks before a signature), ``replica`` (site
             side), ``sequencer`` (orders, signs last), ``agreement`` (one proposal from drafts to complete entries),
             ``snapshots`` · storage: ``store``, ``sqlite``, ``postgres`` (where it is kept), ``checkpoint`` (quick
             start), ``compaction``, ``archive``, ``postgres_archive`` (moving old entries away), ``export`` (JSON
             lines).
"""
