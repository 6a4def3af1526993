"""Nodes without data: the dealer, the aggregator, the key holder."""
