"""A site's process: its ledger, its desk for requests, its sessions. And the dealer's.

Rooms, bottom first: desk (may this be charged), exact_cap · ledger (the site's ledger on the network) · session (from a
complete entry to an answer share) · training_desk, training_room · accounts, slots (what is left, how much at once) ·
counter (analysts' lines) · site (all of it together) · dealer, helper · serve (files and signals around them) ·
keeping (the ledger in an administrator's hands).
"""
