"""A site's process (ledger, admission, sessions) and the processes of the helpers (dealer, aggregator, key holder).

Packages and modules, lowest layer first: admission (may this request be charged here) · ledger (the site's ledger
on the network) · execution (from a complete entry to an answer share) · training_node (the site's part in trainings)
· budget_report, run_quote (the remaining budget, the cost of a request) · request_handler (the channels of analysts)
· site_node (all parts of one site) · helpers (nodes without data) · site_process (files and signals around a node).
"""
