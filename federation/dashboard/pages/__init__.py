"""The pages: each module has ``routes``."""
