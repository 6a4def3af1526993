"""The kinds of requests: one file a kind, and a registry. Nothing else in the product asks which kind a request is."""
