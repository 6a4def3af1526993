"""The command ``crossward evaluate``.

Layer:       federation.cli.evaluate.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - read at run time by typer
from typing import TYPE_CHECKING, Annotated, Any

import typer

from federation.cli import completion
from federation.cli.options import (
    AsJson,
    ConsortiumFile,
    IdentityFile,
    Purpose,
    open_session,
    positive_decimal,
    print_json,
)
from federation.cli.progress import training_progress

if TYPE_CHECKING:
    from federation.training.evaluation import Evaluation


def evaluate(  # noqa: PLR0913, PLR0917 - every one an option of its own
    model: Annotated[Path, typer.Argument(help="A model that crossward train wrote.")],
    consortium: ConsortiumFile,
    table: Annotated[
        str,
        typer.Option("--table", help="A table with the model's features.", autocompletion=completion.tables),
    ],
    target: Annotated[
        str,
        typer.Option("--target", help="The column with the truth.", autocompletion=completion.columns),
    ],
    epsilon: Annotated[str, typer.Option("--epsilon", help="What it costs, once for all metrics.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help="Repeatable. Classes: accuracy (if left out); of two also roc_auc, brier, sensitivity, specificity, "
            "calibration. Numbers: rmse (if left out), mae, r2, bias, calibration; of counts also mean_deviance.",
        ),
    ] = None,
    purpose: Purpose = "analysis",
    identity: IdentityFile = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a trained model over all sites, by one noisy histogram of its scores or sums of its residuals."""
    from federation.training.model_file import load_model

    trained, price = load_model(model), positive_decimal(epsilon, name="epsilon")
    with open_session(consortium, identity) as session, training_progress():
        found = session.evaluate(
            trained, table=table, target=target, epsilon=price, metrics=metric, purpose=purpose
        )
    if as_json:
        print_json(_document(found))
        return
    for name, value in found.metrics.items():
        typer.echo(f"{name}: {_words(value)}{_error(found, name)}")
    typer.echo(f"epsilon: {found.epsilon:.4g}")


def _document(found: Evaluation) -> dict[str, Any]:
    return {
        "metrics": found.metrics,
        "noise_errors": found.noise_errors,
        "counts": found.counts.tolist(),
        "noise": found.noise,
        "classes": list(found.classes),
        "epsilon": found.epsilon,
    }


def _error(found: Evaluation, name: str) -> str:
    error = found.noise_errors.get(name)
    return "" if error is None else f" +- {error:.2g} by the noise"


def _words(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list):
        return "; ".join(
            ", ".join(f"{name} {_words(figure)}" for name, figure in row.items() if name != "rows")
            for row in value
        )
    return "too few for this epsilon"
