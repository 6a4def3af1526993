"""A site's process: its ledger, its desk for requests, its runs. And the dealer's.

Rooms, bottom first: ledgers (where the ledger is kept) · desk (may this be charged) · couriers (ledger messages to
the other sites) · snapshots (when the ledger is pinned) · chain (start-up, proposals, charges) · runs (from a
complete entry to an answer share) · counter (analysts' lines) · site (all of it together) · dealer · serve (files and
signals around them) · keeping, overview (the ledger in an administrator's hands).
"""
