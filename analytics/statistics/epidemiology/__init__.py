"""Rates, ratios of stratified tables, standardisation, meta-analysis."""
