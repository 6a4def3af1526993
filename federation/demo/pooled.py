"""The same figures from all four files pooled in the clear: the demo owns them all, a consortium never does.

Floor:    federation.demo.pooled. Only the demo may do this; it says so where it shows the result.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from federation.demo.hospitals import HOSPITALS, demo_text

if TYPE_CHECKING:
    import pandas as pd

    from analytics.result import Result

TOLERANCE: Final = 1e-9


def pooled_patients() -> pd.DataFrame:
    """All rows of all hospitals, with sex and disease as the schema has them."""
    import pandas as pd

    frames = [pd.read_csv(io.StringIO(demo_text(f"heart_disease/{name}.csv"))) for name in HOSPITALS]
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(sex=frame["sex"].map({1: "M", 0: "F"}), disease=frame["num"] > 0)


def largest_difference(by_sex: Result, whole: Result) -> float:
    """How far the joint exact answers are from the pooled file, relatively.

    Args:
        by_sex: patients, mean age, share with disease, by sex.
        whole: the same over everybody.

    Returns:
        The largest relative difference over all figures.
    """
    frame = pooled_patients()
    groups = {str(name): part for name, part in frame.groupby("sex")}
    expected = {row[0]: _figures(groups[str(row[0])]) for row in by_sex.rows}
    pairs = [
        (cell, value) for row in by_sex.rows for cell, value in zip(row[1:], expected[row[0]], strict=True)
    ]
    pairs += list(zip(whole.rows[0], _figures(frame), strict=True))
    return max(abs(float(cell or 0) - value) / abs(value) for cell, value in pairs)


def _figures(frame: pd.DataFrame) -> tuple[float, float, float]:
    return float(len(frame)), float(frame["age"].mean()), float(frame["disease"].mean())
