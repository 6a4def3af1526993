"""Reference figures from all four files pooled in the clear; the demo owns them all, a consortium never does.

Layer:       federation.demo.pooled_reference. Only the demo may pool files; its output says so.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from federation.demo.hospitals import HOSPITALS, demo_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from analytics.results.result import Result

TOLERANCE: Final = 1e-9
FEATURES: Final = ("age", "sex", "cp", "trestbps", "fbs", "ecg_abnormal", "thalach", "exang", "oldpeak")
TARGET: Final = "disease"


def pooled_patients() -> pd.DataFrame:
    """Return all rows of all hospitals, with sex and disease as in the schema."""
    import pandas as pd

    frames = [pd.read_csv(io.StringIO(demo_text(f"heart_disease/{name}.csv"))) for name in HOSPITALS]
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(sex=frame["sex"].map({1: "M", 0: "F"}), disease=frame["num"] > 0)


def largest_difference(by_sex: Result, whole: Result) -> float:
    """Return the largest relative difference between the joint exact answers and the pooled file.

    Args:
        by_sex: patients, mean age, share with disease, by sex.
        whole: the same over all patients.

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


def model_cases() -> pd.DataFrame:
    """Return the complete cases of the model's columns as in the schema, with the hospital of each row."""
    import pandas as pd

    frame = pooled_patients()
    hospitals = pd.Series(
        [name for name in HOSPITALS for _ in demo_text(f"heart_disease/{name}.csv").splitlines()[1:]]
    )
    kinds = {1: "typical", 2: "atypical", 3: "non_anginal", 4: "asymptomatic"}
    frame = frame.assign(
        hospital=hospitals.to_numpy(),
        cp=frame["cp"].map(kinds),
        trestbps=frame["trestbps"].where(frame["trestbps"] > 0),
        fbs=frame["fbs"].map({1: True, 0: False}),
        ecg_abnormal=(frame["restecg"] > 0).where(frame["restecg"].notna()),
        exang=frame["exang"].map({1: True, 0: False}),
    )
    return frame.dropna(subset=[*FEATURES, TARGET]).reset_index(drop=True)


def auc(scores: Sequence[float], truth: Sequence[bool]) -> float:
    """Area under the ROC curve, by ranks (ties count half)."""
    import pandas as pd

    ranks = pd.Series(list(scores)).rank().to_numpy()
    positive = pd.Series(list(truth)).astype(bool).to_numpy()
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def _figures(frame: pd.DataFrame) -> tuple[float, float, float]:
    return float(len(frame)), float(frame["age"].mean()), float(frame["disease"].mean())
