"""Sequences of items in a person's time.

Modules:     windows (which gaps may be asked), occurrences (one site's people of each pattern), pattern_guard (which patterns
             open, on shares), sequences_answer.
"""
