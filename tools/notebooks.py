"""Execute docs/notebooks, and compare the shape of each cell's outputs with those in the files; ``--write`` keeps the new ones.

Noise differs from run to run, so figures are not compared: kinds of outputs, rows and columns of tables are. Needs nbclient and
ipykernel (make slow-notebooks installs them into an environment of their own).
"""

from __future__ import annotations

import re
import sys
from typing import Any

from tools.reference_parts import ROOT

FOLDER = ROOT / "docs" / "notebooks"
LIMIT_S = 600


def shape(cell: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the shape of a cell's outputs: their kinds, and rows and columns of tables.

    Args:
        cell: as nbformat has it.
    """
    found = []
    for output in cell.get("outputs", []):
        if output["output_type"] == "stream":
            found.append(("stream", output["name"]))
            continue
        data = output.get("data", {})
        html = "".join(data.get("text/html", ""))
        table = f"{len(re.findall('<tr', html))} rows, {len(re.findall('<th', html))} headings"
        found.append((output["output_type"], *sorted(data), table))
    return found


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what differs in shape between two runs of one notebook."""
    pairs = zip(before["cells"], after["cells"], strict=True)
    return [
        f"cell {number}: {shape(old)} is now {shape(new)}"
        for number, (old, new) in enumerate(pairs)
        if shape(old) != shape(new)
    ]


def executed(path: Any) -> tuple[Any, Any]:
    """Return a notebook as it is kept, and as it comes out of a new kernel; an error in a cell ends the run."""
    import nbformat
    from nbclient import NotebookClient

    kept = nbformat.read(path, as_version=4)
    run = nbformat.read(path, as_version=4)
    NotebookClient(run, timeout=LIMIT_S, kernel_name="python3", record_timing=False).execute()
    return kept, run


def main() -> int:
    """Execute all; 1 where the shape of an output differs."""
    import nbformat

    code = 0
    for path in sorted(FOLDER.glob("*.ipynb")):
        kept, run = executed(path)
        run.metadata = kept.metadata
        if "--write" in sys.argv:
            nbformat.write(run, path)
            print(f"wrote {path.relative_to(ROOT)}")
            continue
        found = differences(kept, run)
        code |= bool(found)
        for line in found or ["as it is kept"]:
            print(f"{path.name}: {line}")
    return code


if __name__ == "__main__":
    sys.exit(main())
