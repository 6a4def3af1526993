"""The four hospitals of the demo as a consortium on this machine.

Layer:       federation.demo.hospitals.
Guarantees:  each site gets its own copy of one hospital's file; keys and certificates are made on the spot.
"""

from __future__ import annotations

import shutil
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from federation.setup.create import create_consortium
from federation.setup.settings import ConsortiumSettings, SiteSetup, TableSetup

if TYPE_CHECKING:
    from pathlib import Path

    from federation.consortium.folders import Folders

HOSPITALS: Final = ("cleveland", "hungary", "switzerland", "va_long_beach")
TABLE: Final = "patients"
POPULATION: Final = "cardiology"
LARGEST_EPSILON: Final = "2"
BUDGET: Final[dict[str, Any]] = {
    "epsilon": "5",
    "query": {"share": "0.4"},
    "training": {"share": "0.6"},
}


def patients_of(name: str) -> int:
    """Return how many patients a hospital's file has; the demo owns all four files."""
    file = files("federation.demo") / "data" / "heart_disease" / f"{name}.csv"
    return len(file.read_text("utf-8").splitlines()) - 1


def found_consortium(folder: Path) -> Folders:
    """Write the demo's consortium.

    Args:
        folder: the target; files of an earlier demo are removed.

    Returns:
        The paths of all files.
    """
    if folder.exists():
        shutil.rmtree(folder)
    data = folder.parent / "hospitals"
    data.mkdir(parents=True, exist_ok=True)
    view = demo_text("view.sql")
    sites = {}
    for name in HOSPITALS:
        copy = data / f"{name}.csv"
        copy.write_text(demo_text(f"heart_disease/{name}.csv"), encoding="utf-8")
        policy: dict[str, Any] = {"exact": True, "minimum_cell": 10}
        if name == "hungary":
            policy["largest_epsilon"] = LARGEST_EPSILON
        sites[name] = SiteSetup(tables={TABLE: TableSetup(source=copy, view=view)}, policy=policy)
    terms = ConsortiumSettings(
        name="four_hospitals", budgets={POPULATION: BUDGET}, schema=demo_text("schema.toml"), colluding=1
    )
    return create_consortium(folder, terms=terms, sites=sites)


def demo_text(name: str) -> str:
    """Read one of the demo's own files."""
    return files("federation.demo").joinpath("data", name).read_text("utf-8")
