"""Privacy accounting: the cost of a release, its noise, and the ledger in which it is entered.

Lowest layer first:

    errors        errors, by the party at fault
    decimals      exact numbers: decimal strings in files, rationals in memory
    events        the closed vocabulary of mechanisms and neighbouring relations
    rdp           the Rényi curve of each mechanism, conversion to (epsilon, delta), integer composition
    noise         exact integer samplers from system entropy
    calibration   the smallest noise that meets a target
    budget        allowances, privacy filters and sub-budgets
    ledger        entries, replication, stores
    audit         price (the calculator), verify, recompute, statement, empirical
    report        the ledger as a page for people

Importing this package loads numpy alone. Import each module itself.
"""
