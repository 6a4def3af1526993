"""Private mining: noisy counts of items, of pairs and of basis sets, as one charge.

Layer:       analytics.mining.private, above analytics.mining.
Modules:     sensitivity (what one unit changes, noise, events), plan (what every site derives), bases (which itemsets the
             opened noisy counts choose), truncation (baskets with too many items), run (a site's run), estimates and result
             (the analyst's end), finish, explain.
Guarantees:  everything that is opened carries the noise of the honest sites; which itemsets are released follows from noisy
             counts that were opened before.
See instead: exact mining (analytics.mining).
Source:      N. Li, W. Qardaji, D. Su, J. Cao, "PrivBasis: Frequent Itemset Mining with Differential Privacy", VLDB 2012.
"""
