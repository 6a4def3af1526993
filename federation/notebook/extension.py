"""What ``%load_ext crossward.notebook`` sets: the magic ``%%crossward``, and progress of every session.

Layer:       federation.notebook.extension, above cell and progress. Imports IPython, which runs already.
Guarantees:  ``%unload_ext`` takes all of it away again. A rejected question shows one sentence, no traceback.
"""

from __future__ import annotations

from typing import Any

from crossward.base_error import CrosswardError
from federation.client.progress import observe
from federation.notebook.cell import run_cell
from federation.notebook.progress import NotebookProgress

NAME = "crossward"


def load(shell: Any) -> None:
    """Register the magic, and show progress below cells.

    Args:
        shell: IPython's.
    """
    from IPython.core.error import UsageError
    from IPython.display import display

    def magic(line: str, cell: str | None = None) -> Any:
        """Ask the SQL of this cell of all sites; see docs/notebook.md."""
        try:
            name, answer = run_cell(line, cell or "", shell.user_ns, display)
        except CrosswardError as error:
            notes = getattr(error, "__notes__", ())
            raise UsageError("; ".join([str(error), *notes])) from None
        if name:
            shell.push({name: answer})
            return None
        return answer

    progress = NotebookProgress(display)
    shell.register_magic_function(magic, magic_kind="cell", magic_name=NAME)
    shell.events.register("pre_run_cell", _ender(progress))
    observe(progress)


def unload(shell: Any) -> None:
    """Take magic and progress away."""
    shell.magics_manager.magics["cell"].pop(NAME, None)
    for callback in [
        each for each in shell.events.callbacks["pre_run_cell"] if hasattr(each, "of_crossward")
    ]:
        shell.events.unregister("pre_run_cell", callback)
    observe(None)


def _ender(progress: NotebookProgress) -> Any:
    def end(*_: object) -> None:
        progress.end()

    vars(end)["of_crossward"] = True
    return end
