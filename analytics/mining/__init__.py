"""Association rules over rows that several sites hold: frequent itemsets and rules, without showing any row.

Layer:       analytics, above sources and plans; release is handed in as two callables.
Modules:     items (how an item is written), request (what is asked), candidates (join and prune, the iteration over
             the levels), plan (what every site derives), bitmaps (the local stage), threshold_test (a level on
             shares), site_run (a site's run), rules (measures), result and finish (the analyst's end), explain.
Guarantees:  sites see one bit for each candidate, the analyst these bits, the supports of what is frequent and the
             number of rows; a count below the threshold never leaves shares.
See instead: opening shares (analytics.disclosure.release), budgets and ledgers, the private mode.
"""
