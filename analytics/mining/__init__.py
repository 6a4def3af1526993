"""Association rules over rows that several sites hold: frequent itemsets and rules, without showing any row.

Layer:       analytics, above sources and plans; release is handed in as two callables.
Modules:     hierarchy (nodes of ICD-10), items (how an item is written), item_relations (which imply others), request (what is
             asked), candidates (join and prune, the iteration over the levels), cubes (cells of an itemset), plan (what
             every site derives), bitmaps (the local stage), threshold_test (a block of levels on shares), site_run (a
             site's run), rules (measures), result and finish (the analyst's end), explain.
Guarantees:  sites see one bit for each candidate, the analyst these bits, the supports of what is frequent and the
             number of rows; a count below the threshold never leaves shares.
See instead: opening shares (analytics.disclosure.release), budgets and ledgers, the private mode.
"""
