"""Nodes that hold no rows: the dealer, the aggregator, the key holder."""
