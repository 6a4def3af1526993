"""``crossward demo``.

Floor:    federation.cli.demo.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for page, data and ledgers.")] = Path("demo-out"),
) -> None:
    """Let four real hospitals on this machine answer joint questions."""
    from federation.demo.run import main

    raise typer.Exit(main(out))
