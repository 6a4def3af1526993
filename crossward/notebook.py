"""The extension of notebooks: ``%load_ext crossward.notebook``; see docs/notebook.md.

Layer:       crossward.notebook, above ``federation.notebook``. Needs the extra ``crossward[notebook]``.
"""

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Set the magic ``%%crossward`` and progress below cells."""
    from federation.notebook.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take both away."""
    from federation.notebook.extension import unload

    unload(shell)
