"""One line below a running cell that says how far its question or training is, and what it has spent.

Layer:       federation.notebook.progress.
Guarantees:  the last state stays with the cell, so that a saved notebook says what each cell has spent. Cells that run in
             several threads have a line each.
See instead: the same at a terminal (``federation.display.progress``).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from analytics.text_tables import as_block, cell_text

if TYPE_CHECKING:
    from collections.abc import Callable

DONE = frozenset({"answered", "failed"})


class _Line:
    """What a notebook shows; updated in place."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return as_block(self.text)


class NotebookProgress:
    """An observer for ``federation.client.progress.observe``."""

    def __init__(self, display: Callable[..., Any]) -> None:
        """Take IPython's ``display``."""
        self._display = display
        self._lines = threading.local()

    def __call__(self, state: Any) -> None:
        """Show a stage of a question, or the progress of a training."""
        handle = getattr(self._lines, "handle", None)
        line = _Line(self._text(state))
        if handle is None:
            self._lines.handle = self._display(line, display_id=True)
        else:
            handle.update(line)
        if getattr(state, "name", "") in DONE or self._is_last(state):
            self._lines.handle = None

    def end(self) -> None:
        """Begin a new line with the next cell, also after a training that was cut short."""
        self._lines.handle = None

    @staticmethod
    def _text(state: Any) -> str:
        left = f"  {state.left_s:.0f} s left" if hasattr(state, "left_s") else ""
        return cell_text(f"{state.text()}{left}")

    @staticmethod
    def _is_last(state: Any) -> bool:
        return hasattr(state, "round_number") and bool(state.round_number == state.rounds)
