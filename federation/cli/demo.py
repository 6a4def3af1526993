"""The command ``crossward demo``.

Layer:       federation.cli.demo.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from federation.cli.options import check_writable
from federation.cli.outcome import FAILED, UsageError
from federation.cli.reporting import is_document, note, reported, say


@reported("demo")
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for page, data and ledgers.")] = Path("demo-out"),
) -> None:
    """Let four real hospitals on this machine answer joint questions."""
    from federation.demo.run import main

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(reason=f"cannot write {out}: {error.strerror}") from error
    for name in ("report.html", "demo.json"):
        check_writable(out / name)
    code = main(out, quiet=is_document())
    for name in ("report.html", "demo.json"):
        note(files=out / name)
    if is_document():
        say(f"the page is {out / 'report.html'}")
    if code:
        raise typer.Exit(FAILED)
