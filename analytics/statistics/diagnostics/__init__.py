"""How well a score or a test tells who has a condition.

Modules:     roc_auc.
"""
