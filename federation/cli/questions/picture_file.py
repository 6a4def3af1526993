"""The option --plot: a picture of an answer in a file.

Layer:       federation.cli.questions.picture_file above output_file.
Guarantees:  an ending that is no picture's, a path that cannot be written and a missing matplotlib are refused before
             anything is asked. The answer is printed first: a picture that fails loses nothing that was paid for.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from federation.cli.outcome import UsageError
from federation.cli.questions.output_file import output_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.axes import Axes

ENDINGS = (".svg", ".png", ".pdf")
PlotFile = Annotated[
    Path | None,
    typer.Option("--plot", help="Draw the answer into this file too: .svg, .png or .pdf (needs matplotlib)."),
]
PlotCurve = Annotated[
    Path | None,
    typer.Option(
        "--plot", help="Draw accuracy over epsilon into this file: .svg, .png or .pdf (needs matplotlib)."
    ),
]


class Drawable(Protocol):
    """An answer with a picture."""

    def plot(self) -> Axes:
        """Draw it in a new figure."""
        ...


@contextmanager
def picture_file(target: Path | None) -> Iterator[Callable[[Drawable], None]]:
    """Prepare the file, and give what draws an answer into it; without a target that does nothing.

    Args:
        target: the path of the picture.

    Raises:
        UsageError: no picture can be written there.
    """
    if target is None:
        yield lambda _: None
        return
    if target.suffix.lower() not in ENDINGS:
        raise UsageError(reason=f"--plot takes a file that ends with {', '.join(ENDINGS)}, not {target.name}")
    if find_spec("matplotlib") is None:
        raise UsageError(reason="--plot needs matplotlib: pip install 'crossward[plots]'; nothing was asked")
    with output_file(target, option="--plot") as place:

        def drawn(answer: Drawable) -> None:
            axes = answer.plot()
            place.write(lambda path: axes.figure.savefig(path, format=target.suffix[1:].lower()))  # type: ignore[union-attr]

        yield drawn
