"""The questions of the demo's analyst.

Layer:       federation.demo.questions. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoQuestion:
    """One question of the demo.

    Attributes:
        key: its name in the JSON file.
        title: for people.
        sql: the question.
        epsilon: decimal string; empty for an exact one.
        figure: name of the column that the page draws; empty for none.
    """

    key: str
    title: str
    sql: str
    epsilon: str = ""
    figure: str = ""


EXACT: Final = DemoQuestion(
    key="exact_by_sex",
    title="Exact: patients, mean age, share with disease, by sex",
    sql="SELECT sex, COUNT(*) AS patients, AVG(age) AS mean_age, AVG(disease) AS share_with_disease\n"
    "FROM patients GROUP BY sex",
    figure="share_with_disease",
)
WHOLE: Final = DemoQuestion(
    key="exact_whole",
    title="Exact: the same over all patients",
    sql="SELECT COUNT(*) AS patients, AVG(age) AS mean_age, AVG(disease) AS share_with_disease FROM patients",
)
BANDS: Final = DemoQuestion(
    key="disease_by_age_and_sex",
    title="Private: disease by age band and sex",
    sql="SELECT age, sex, SUM(disease) AS with_disease FROM patients GROUP BY age, sex",
    epsilon="0.5",
    figure="with_disease",
)
PRESSURE: Final = DemoQuestion(
    key="blood_pressure",
    title="Private: resting blood pressure where measured",
    sql="SELECT COUNT(trestbps) AS measured, AVG(trestbps) AS mean, VAR_SAMP(trestbps) AS variance,\n"
    "  STDDEV_SAMP(trestbps) AS deviation FROM patients",
    epsilon="0.5",
)
TOO_WISHFUL: Final = DemoQuestion(
    key="refused_by_policy",
    title="Refused by a site's policy",
    sql="SELECT COUNT(*) AS patients FROM patients WHERE chol > 240",
    epsilon="3",
)
TOO_EXPENSIVE: Final = DemoQuestion(
    key="refused_by_budget",
    title="Refused by the budget",
    sql="SELECT COUNT(*) AS patients FROM patients WHERE chol > 240",
    epsilon="1.9",
)
ANSWERED: Final = (EXACT, WHOLE, BANDS, PRESSURE)
REFUSED: Final = (TOO_WISHFUL, TOO_EXPENSIVE)
EXPLAINED: Final = BANDS
ITEMS: Final = (
    "sex=M",
    "age>=60",
    "cp=asymptomatic",
    "trestbps>=140",
    "chol>=240",
    "fbs",
    "ecg_abnormal",
    "thalach<130",
    "exang",
    "oldpeak>=1",
    "disease",
)
MIN_SUPPORT: Final = "0.2"
MIN_CONFIDENCE: Final = "0.6"
MODEL_EPSILON: Final = "2"
MODEL_ROUNDS: Final = 40
MODEL_RATE: Final = 4.0
MODELED: Final = (
    f"Trained: disease from nine findings, epsilon {MODEL_EPSILON}, {MODEL_ROUNDS} rounds, encrypted sums"
)
MINED: Final = (
    f"Mined: association rules between eleven items, support {MIN_SUPPORT}, confidence {MIN_CONFIDENCE}"
)
