"""Figures of merit that are made of opened, noisy sums.

Layer:       federation.training.figures, above training.models and below training.evaluation. Pure.
"""
