"""Boosted trees. One line a module, lowest first.

ensemble         the trees as a list of numbers, and which leaf a row falls into
gradient_sums    a unit's vector: sums of derivatives by feature, bin and node, or by leaf
growth           the strategy that makes a level of a tree of an opened sum
boosted_trees    the models
"""
