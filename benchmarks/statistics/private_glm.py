"""Three constructions of a private logistic regression, side by side: how far each is from the fit without noise.

A table of groups (what ``glm`` does), a quadratic of the log-likelihood from one release of sums of products, and three Newton
steps with noisy gradients; all at one epsilon, the latter two simulated with the noise that their norms need. Prints
a table; docs/adr/0032 quotes it. Run: ``python -m benchmarks.statistics.private_glm``.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from analytics.plans.context import PlanContext
from analytics.plans.statistic_plan import make_statistic_plan
from analytics.schema import Schema
from analytics.statistics.group_models.noisy_cells import NoisyCells
from analytics.statistics.linear_models.families import Logit

Floats = npt.NDArray[np.float64]
Fit = Callable[[Floats, Floats], "Floats | None"]
TRIALS: Final = 300
_REACH: Final = 4.0  # of the quadratic
_STEPS: Final = 3
SMALL: Final = ("ward", "smoker"), [-0.6, 0.4, -0.6, 0.7]
MIDDLE: Final = ("ward", "stage", "smoker"), [-0.6, 0.4, -0.6, 0.3, 0.8, 0.7]
LARGE: Final = ("ward", "stage", "smoker", "f0", "f1", "f2"), [-0.6, 0.4, -0.6, 0.3, 0.8, 0.7, 0.2, -0.3, 0.1]
LARGEST: Final = (
    ("ward", "smoker", "f0", "f1", "f2", "f3", "f4", "f5"),
    [-0.6, 0.4, -0.6, 0.7, 0.2, -0.3, 0.1, 0.0, 0.5, -0.2],
)


def count_noise(epsilon: str) -> float:
    """Standard deviation of the noise on a count."""
    fields = {
        "privacy_unit": "row",
        "rows_max": 20_000,
        "max_sites_per_unit": 1,
        "exact_dimensions": ["ill"],
        "columns": {"ill": {"type": "boolean"}},
    }
    context = PlanContext(
        n_sites=3, colluding=1, relation="add_or_remove_one", delta=Fraction(1, 10**6), minimum_cell=10
    )
    plan = make_statistic_plan(
        {"statistic": "goodness_of_fit", "table": "t", "arguments": {"column": "ill"}},
        mode="private",
        epsilon=Fraction(epsilon),
        schema=Schema.from_dict({"tables": {"t": fields}}),
        context=context,
    )
    return plan.noise[0].sd


def design_of(names: tuple[str, ...]) -> Floats:
    """All combinations: three groups of ward and stage, two of the others."""
    sizes = [3 if name in {"ward", "stage"} else 2 for name in names]
    places = np.indices(sizes).reshape(len(sizes), -1)
    groups = [np.eye(size)[place][:, 1:] for size, place in zip(sizes, places, strict=True)]
    return np.concatenate([np.ones((places.shape[1], 1)), *groups], axis=1)


def table(design: Floats, figures: Floats, sd: float) -> Floats | None:
    """The fit of a table."""
    cells = NoisyCells(
        figures=figures, design=design, noise_sds=np.full(2, sd), family=Logit(), has_chances=True
    )
    found = cells.fit()
    return None if found is None else found.params


def _noisy_products(products: Floats, sd: float, generator: np.random.Generator) -> Floats:
    """Products of the design with symmetric noise, its eigenvalues at least those of the noise."""
    count = len(products)
    noise = np.triu(generator.normal(0, sd, (count, count)))
    values, vectors = np.linalg.eigh(products + noise + np.triu(noise, 1).T)
    raised: Floats = np.maximum(values, 2 * sd * np.sqrt(count))
    found: Floats = (vectors * raised) @ vectors.T
    return found


def quadratic(
    design: Floats, figures: Floats, sd: float, columns: int, generator: np.random.Generator
) -> Floats:
    """The maximum of a Chebyshev quadratic of the log-likelihood, from one release of sums of products."""
    nodes = np.cos(np.pi * (np.arange(200) + 0.5) / 200)
    series = np.polynomial.chebyshev.chebfit(nodes, np.logaddexp(0, _REACH * nodes), 2)
    _, slope, curve = np.polynomial.chebyshev.cheb2poly(series)
    slope, curve = slope / _REACH, curve / _REACH**2
    # rows, sums of the outcome and each column, products of each two of these
    own = sd * np.sqrt(1 + (columns + 1) + (columns + 1) * columns / 2)
    products = _noisy_products(design.T @ (figures.sum(axis=0)[:, None] * design), own, generator)
    score = design.T @ figures[1] + generator.normal(0, own, design.shape[1])
    found: Floats = np.linalg.solve(2 * curve * products, score - slope * products[0])
    return found


def steps(design: Floats, figures: Floats, sd: float, columns: int, generator: np.random.Generator) -> Floats:
    """Newton steps: a quarter of the privacy to the products, 15 % of the rest to each gradient but the last."""
    rows, size = figures.sum(axis=0), 1 + columns
    own = sd * np.sqrt((size + size * columns / 2) / 0.25)
    products = _noisy_products(design.T @ (rows[:, None] * design), own, generator)
    point = np.zeros(design.shape[1])
    shares = [0.75 * 0.15] * (_STEPS - 1) + [0.75 * (1 - 0.15 * (_STEPS - 1))]
    for share in shares:
        chance = 1 / (1 + np.exp(-design @ point))
        gradient = design.T @ (figures[1] - rows * chance)
        gradient = gradient + generator.normal(0, sd * np.sqrt(size / share), len(point))
        weight = np.average(chance * (1 - chance), weights=rows)
        move = np.linalg.solve(weight * products, gradient)
        point = point + move / max(1.0, float(np.abs(move).max()) / 2)
    return point


def errors(
    people: int, epsilon: str, names: tuple[str, ...], true: list[float]
) -> tuple[int, dict[str, float]]:
    """Combinations, and the root mean squared error of each construction; of sampling, from the true parameters."""
    generator = np.random.default_rng(1)  # a simulation
    design, sd, columns = design_of(names), count_noise(epsilon), len(names)
    count = len(design)
    share = generator.dirichlet(np.full(count, 2.0))
    apart: dict[str, list[Floats]] = {"table": [], "quadratic": [], "steps": [], "sampling": []}
    for _ in range(TRIALS):
        cell = generator.choice(count, people, p=share)
        ill = generator.random(people) < 1 / (1 + np.exp(-design[cell] @ np.array(true)))
        figures = np.stack([np.bincount(cell[ill == each], minlength=count) for each in (False, True)])
        clear = table(design, figures.astype(np.float64), 0.0)
        if clear is None:
            continue
        noisy = table(design, figures + generator.normal(0, sd, figures.shape), sd)
        found = {
            "table": noisy,
            "quadratic": quadratic(design, figures, sd, columns, generator),
            "steps": steps(design, figures, sd, columns, generator),
        }
        apart["sampling"].append(clear - true)
        for name, params in found.items():
            if params is not None:
                apart[name].append(params - clear)
    return count, {name: float(np.sqrt(np.mean(np.array(each)[:, 1:] ** 2))) for name, each in apart.items()}


def main() -> None:
    """Print the table."""
    print("people  epsilon  combinations  table  quadratic  steps  sampling")
    for model in (SMALL, MIDDLE, LARGE, LARGEST):
        for people in (500, 2_000, 10_000) if len(model[1]) < len(LARGE[1]) else (2_000, 10_000):
            for epsilon in ("1", "3"):
                count, found = errors(people, epsilon, *model)
                values = "  ".join(f"{value:.3f}" for value in found.values())
                print(f"{people:6}  {epsilon:7}  {count:12}  {values}")


if __name__ == "__main__":
    main()
