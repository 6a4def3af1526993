"""A site's ledger on the network and for its administrator.

Modules, lowest layer first: storage (where the ledger is kept) · peers (messages to the other sites) · late_entry (an
entry delivered by a client) · catch_up (entries that this site lacks) · readiness (what is missing) · snapshot_timer
(when to propose a snapshot) · submissions (drafts on their way into the ledger) · replication (proposals, charges) ·
summary, maintenance (for the administrator).
"""
