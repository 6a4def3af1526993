"""The pictures that come with the project, dealt to sites; some of each site's are held out for figures."""

from pathlib import Path

import numpy as np
import pandas as pd

import federation

DATA = Path(__file__).parent / "data"
NUCLEI = tuple(f"nuclei/site_{place}.npz" for place in (1, 2, 3, 4))
PLANES = tuple(f"mri_slices/{plane}.npz" for plane in ("axial", "coronal", "sagittal"))
OPEN = {"exact": True, "exact_training": "unguarded", "exact_numbers_per_population": 10**9}
BUDGET = {"epsilon": "60", "query": {"share": "0.05"}, "training": {"share": "0.95"}}


def open_session(files, *, pictures, arrays, columns=None, deal=0, folder=DATA):
    """Open a consortium of one site a file. Every row is a privacy unit of its own: a tile, a slice or a patch.

    Args:
        files: of numpy arrays, below ``folder``.
        pictures: the schema's, by name.
        arrays: which array of a file each of them is.
        columns: of the schema, by the name of their array.
        deal: 0 to 3: which quarter of a site's pictures is held out.
        folder: where the files lie.

    Returns:
        The session, and the held-out arrays by name.
    """
    sites, held = {}, {}
    for file in files:
        stored = np.load(folder / file)
        n = len(stored[next(iter(arrays.values()))])
        rows = [place for place in range(n) if place % 4 != 3 - deal]
        frame = pd.DataFrame({"unit": [f"{file} {place}" for place in rows], "place": rows})
        for name, array in arrays.items():
            frame[name] = [f"{file}#{array}/{place}" for place in rows]
        for name in columns or {}:
            frame[name] = stored[name][rows]
        frame.attrs["pictures"] = str(folder)
        sites[Path(file).stem] = frame
        for name, array in {**arrays, **{name: name for name in columns or {}}}.items():
            held.setdefault(name, []).append(stored[array][3 - deal :: 4])
    table = {
        "privacy_unit": "unit",
        "max_rows_per_unit": 1,
        "max_sites_per_unit": 1,
        "rows_max": max(map(len, sites.values())),
        "columns": {
            "place": {"type": "numeric", "lower": 0, "upper": 2000, "resolution": 1},
            **(columns or {}),
        },
        "pictures": pictures,
    }
    session = federation.local(
        sites, schema={"tables": {"pictures": table}}, policy=OPEN, budget=BUDGET, deadline_s=600
    )
    return session, {name: np.concatenate(parts) for name, parts in held.items()}
