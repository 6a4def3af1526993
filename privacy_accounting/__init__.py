"""What a release costs, the noise that pays for it, and the book in which it is written.

Bottom floor first:

    errors        what can go wrong, by whose fault
    decimals      exact numbers: decimal strings in files, rationals in memory
    events        the closed vocabulary of mechanisms and neighbouring relations
    rdp           the Rényi curve of each mechanism, conversion to (epsilon, delta), integer composition
    noise         exact integer samplers from system entropy
    calibration   the smallest noise that meets a target
    budget        allowances, filters and sub-budgets
    ledger        entries, chain, stores
    audit         price (the calculator), verify, recompute, statement, empirical
    report        the ledger as a page for people

Importing this package loads numpy alone. Rooms are imported by name.
"""
