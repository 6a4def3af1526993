"""Progress of a command: one line on standard error, and only where that is a terminal.

Layer:       federation.cli.progress.
Guarantees:  standard output is never touched, so that a redirected answer is the same with and without it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from federation.client.session import Session
    from federation.display.progress import ProgressLine
    from federation.training.running.outcome import Progress


@contextmanager
def progress_of(session: Session, before: Callable[[], str] = str) -> Iterator[None]:
    """Show the stages of the questions that a session asks meanwhile.

    Args:
        session: an analyst's.
        before: gives the words in front of each stage.
    """
    with _line(before) as line:
        if line is None:
            yield
            return
        session.on_progress = line
        try:
            yield
        finally:
            session.on_progress = None


@contextmanager
def training_progress(
    otherwise: Callable[[Progress], None] | None = None,
) -> Iterator[Callable[[Progress], None] | None]:
    """Give what a training tells its progress to: a line on a terminal.

    Args:
        otherwise: where there is no terminal.
    """
    from federation.client.progress import observe

    with _line(str) as line:
        if line is None:
            yield otherwise
            return
        observe(line.train)  # an evaluation is a training that takes no observer of its own
        try:
            yield line.train
        finally:
            observe(None)


@contextmanager
def _line(before: Callable[[], str]) -> Iterator[ProgressLine | None]:
    import sys

    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    from federation.display.progress import ProgressLine

    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield None
        return
    with ProgressLine(screen, before) as line:
        yield line
