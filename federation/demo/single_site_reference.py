"""Reference models of the demo: each hospital alone, and all files pooled in the clear.

Layer:       federation.demo.single_site_reference, above pooled_reference. Only the demo may compute them: it owns
             all files, and its output says so.
Terms:       *alone, private*: the hospital's own gradient descent with the whole noise for the same epsilon. *Alone,
             clear*: the same without noise or clip. Both are scored on the cases of all hospitals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from federation.demo.pooled_reference import FEATURES, TARGET, auc, model_cases
from federation.training.encodings.features import encode_table
from privacy_accounting.calibration import smallest_scale
from privacy_accounting.events import Gaussian, Relation
from privacy_accounting.noise import SystemSource, discrete_gaussian

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy.typing as npt

    from analytics.schema import Table
    from federation.training.estimators import FederatedLogisticRegression

GRID: Final = 1 << 20
CLEAR_STEPS: Final = 600
CLEAR_RATE: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """AUCs on all complete cases.

    Attributes:
        n_cases: complete cases of all hospitals.
        joint: the federated private model.
        pooled: without privacy, all files pooled.
        alone: by hospital: cases, AUC without privacy, AUC at the same epsilon.
    """

    n_cases: int
    joint: float
    pooled: float
    alone: dict[str, tuple[int, float, float]]


def compare(
    model: FederatedLogisticRegression, table: Table, *, epsilon: Fraction, delta: Fraction
) -> Comparison:
    """Score the joint model beside the model of each hospital alone.

    Args:
        model: fitted over all sites.
        table: the schema's.
        epsilon: of the joint run.
        delta: at which it holds.

    Returns:
        The comparison.
    """
    cases = model_cases()
    encoding, _ = encode_table(table, FEATURES, TARGET)
    if encoding is None:
        msg = "the demo's own schema has the model's columns"
        raise ValueError(msg)
    matrix, truth = encoding.matrix(encoding.codes_of(cases)), cases[TARGET].to_numpy(dtype=float)

    def score(parameters: npt.NDArray[np.float64]) -> float:
        return auc((matrix @ parameters).tolist(), (truth > 0).tolist())

    alone = {}
    for name, rows in cases.groupby("hospital"):
        places = rows.index.to_numpy()
        x, y = matrix[places], truth[places]
        private = _private(
            x,
            y,
            rounds=model.rounds,
            rate=float(model.task(table=table.name, features=FEATURES, target=TARGET).learning_rate),
            target=(epsilon, delta),
        )
        alone[str(name)] = (len(places), score(_clear(x, y)), score(private))
    return Comparison(
        n_cases=len(cases),
        joint=auc(model.predict_proba(cases)[:, 1].tolist(), (truth > 0).tolist()),
        pooled=score(_clear(matrix, truth)),
        alone=alone,
    )


def _gradients(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], parameters: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    chance = 1.0 / (1.0 + np.exp(-(x @ parameters)))
    gradients: npt.NDArray[np.float64] = (y - chance)[:, None] * x
    return gradients


def _clear(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    parameters = np.zeros(x.shape[1])
    for _ in range(CLEAR_STEPS):
        parameters = parameters + CLEAR_RATE * _gradients(x, y, parameters).mean(axis=0)
    return parameters


def _private(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    *,
    rounds: int,
    rate: float,
    target: tuple[Fraction, Fraction],
) -> npt.NDArray[np.float64]:
    """Train one hospital's own private model: the same clip, rounds and step rule, and all of the noise."""
    epsilon, delta = target
    multiplier = smallest_scale(
        lambda scale: [Gaussian(noise_multiplier=scale, count=rounds)],
        epsilon,
        delta,
        Relation.ADD_OR_REMOVE_ONE,
    )
    variance = (multiplier * GRID) ** 2
    parameters, squares = np.zeros(x.shape[1]), 0.0
    for _ in range(rounds):
        gradients = _gradients(x, y, parameters)
        norms = np.linalg.norm(gradients, axis=1, keepdims=True)
        total = (gradients / np.maximum(1.0, norms)).sum(axis=0)
        noise = discrete_gaussian(variance, x.shape[1], SystemSource()).astype(float) / GRID
        opened = total + noise
        squares += float(opened @ opened)
        parameters = parameters + rate * opened / np.sqrt(squares)
    return parameters
