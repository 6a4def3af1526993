"""The text of a site's view: for use inside another statement, and the place of a word in it.

Layer:       analytics.sources.servers, the lowest; views in the node use it too.
Source:      ours.
"""

from __future__ import annotations

import re


def bare_view(view: str) -> str:
    """The view's text for use in brackets.

    Args:
        view: one SELECT.
    """
    return view.strip().rstrip(";") + "\n"  # a line end, in case the view ends in a comment


def word_place(view: str, word: str) -> str:
    """Line and column, both from 1, of a word's first use; empty where the view does not hold it.

    Args:
        view: its text.
        word: in any case.
    """
    found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", view, re.IGNORECASE)
    if found is None:
        return ""
    before = view[: found.start()]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
