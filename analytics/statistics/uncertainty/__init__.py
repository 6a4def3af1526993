"""The laws of noise and of sampling, and the intervals that follow from them."""
