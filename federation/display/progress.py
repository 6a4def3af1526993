"""A line on the terminal that says how far a question or a training is.

Layer:       federation.display.progress. Uses rich; opens no connection.
Guarantees:  drawn on the console that it is given and taken away at the end; what a question has spent stays in its answer or its
             error, never in this line alone.
See instead: stages of a question (``federation.client.progress``), of a training (``federation.training.running.outcome``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from federation.display.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.progress import Task


class _LeftColumn(ProgressColumn):
    """Seconds left: of a training by its pace, of a question until the client gives up."""

    def render(self, task: Task) -> Text:
        """Return the cell."""
        left = task.fields["longest_s"] - ((task.elapsed or 0.0) - task.fields["since_s"])
        words = "about {:.0f} s left" if task.fields["is_pace"] else "at most {:.0f} s more"
        return Text("" if task.finished else words.format(max(0.0, left)), style="dim")


class ProgressLine:
    """One line for one task after another; a context manager. Call it with stages, or give it to a training."""

    def __init__(self, console: Console, before: Callable[[], str] = str) -> None:
        """Take the console, and what gives the words in front of each stage."""
        self._before = before
        self._lines = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=12),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
            _LeftColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.description}", table_column=Column(overflow="fold")),
            console=console,
            transient=True,
        )
        self._task = self._lines.add_task("", total=None, longest_s=0.0, since_s=0.0, is_pace=False)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._lines.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the line away."""
        self._lines.stop()

    def __call__(self, stage: Any) -> None:
        """Show a stage of a question."""
        self._show(f"{self._before()}{stage.text()}", None, 0, stage.longest_s, is_pace=False)

    def train(self, progress: Any) -> None:
        """Show the progress of a training."""
        self._show(progress.text(), progress.rounds, progress.round_number, progress.left_s, is_pace=True)

    def _show(self, text: str, total: int | None, done: int, longest_s: float, *, is_pace: bool) -> None:
        (task,) = self._lines.tasks
        self._lines.update(
            self._task,
            description=Text(plain(text)).markup,
            total=total,
            completed=done,
            longest_s=longest_s,
            since_s=task.elapsed or 0.0,
            is_pace=is_pace,
        )
