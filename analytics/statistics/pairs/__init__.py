"""Pairs of items that people hold: adverse-event signals and comorbidity.

Modules:     person_items (what an item is, and who holds it), pair_guard (counts and the guard on shares), signal_measures and
             gamma_poisson (the measures of a pair), pair_answer, signals_answer, comorbidity_answer, item_pairs (one opening).
"""
