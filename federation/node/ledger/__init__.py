"""A site's ledger on the network and in its administrator's hands.

Rooms, bottom first: ledgers (where it is kept) · couriers (messages to the other sites) · arrival (an entry that comes
with who asked) · snapshots (when it is pinned) · errands (what is on its way into it) · chain (start-up, proposals,
charges) · overview (what an administrator is shown).
"""
