"""Models, runs and evaluations as a notebook shows them.

Layer:       federation.training.shown, below estimators. Pure.
Guarantees:  a loss or a metric stands beside the epsilon that it has cost; text of other members is escaped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analytics.text_tables import as_block, as_html, cell_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def model_html(shown: str, summary: Mapping[str, Any] | None) -> str:
    """Return a model: its parameters as they were given, and what it learned.

    Args:
        shown: the model in one line.
        summary: as ``FederatedModel.summary``; None where it is not fitted.
    """
    if summary is None:
        return as_block(f"{shown}, not fitted")
    if "parameters" in summary:
        return as_block(f"{shown}, fitted: {summary['parameters']} parameters")
    several = {"": summary} if "coef" in summary else summary
    rows = [
        [*([name] if name else []), feature, weight]
        for name, each in several.items()
        for feature, weight in [*each["coef"].items(), ("intercept", each["intercept"])]
    ]
    names = ["feature", "coefficient"] if "" in several else ["class", "feature", "coefficient"]
    return as_html(names, rows, [shown])


def run_html(lines: Sequence[str]) -> str:
    """Return how a run ended; empty lines are left out."""
    return as_block("\n".join(cell_text(line) for line in lines if line))


def metrics_html(metrics: Mapping[str, Any], errors: Mapping[str, float], epsilon: float | None) -> str:
    """Return an evaluation's figures, each with its noise; of a calibration, which is a table, how many groups it has.

    Args:
        metrics: figures by name.
        errors: their standard deviation by the noise.
        epsilon: spent; None without noise.
    """
    rows = [
        [name, f"{len(value)} groups" if isinstance(value, list) else value, errors.get(name, "")]
        for name, value in metrics.items()
    ]
    cost = "" if epsilon is None else f"epsilon {epsilon:.4g} spent, once for all metrics"
    return as_html(["metric", "value", "± by the noise"], rows, [cost])
