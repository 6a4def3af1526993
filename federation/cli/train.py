"""``crossward train``.

Floor:    federation.cli.train.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - read at run time by typer
from typing import TYPE_CHECKING, Annotated

import typer

from federation.cli.options import AsJson, ConsortiumFile, IdentityFile, open_session, print_json

if TYPE_CHECKING:
    from federation.training.drive import Progress


def train(
    task: Annotated[Path, typer.Argument(help="A task file: table, features, target, epsilon, rounds ...")],
    consortium: ConsortiumFile,
    identity: IdentityFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show plan and cost, spend nothing.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write the model here, as JSON.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model over all sites, charged round by round."""
    from federation.training.model import FederatedLogisticRegression
    from federation.training.task import load_task

    loaded = load_task(task)
    with open_session(consortium, identity) as session:
        if dry_run:
            plan = session.plan_training(loaded).to_dict()
            if as_json:
                print_json(plan)
            else:
                for name, value in plan.items():
                    typer.echo(f"{name}: {value}")
            return
        outcome = session.train(loaded, on_progress=None if as_json else _tell)
    model = FederatedLogisticRegression.from_outcome(outcome)
    if out is not None:
        model.save(out)
    summary = {
        "ending": str(outcome.ending),
        "rounds": len(outcome.history),
        "charged_attempts": outcome.n_charged,
        "epsilon": outcome.epsilon,
        "bytes_sent": outcome.bytes_sent,
        "coef": dict(zip(model.feature_names_out_, model.coef_[0].tolist(), strict=True)),
        "intercept": float(model.intercept_[0]),
    }
    if as_json:
        print_json(summary)
        return
    for name, value in summary.items():
        typer.echo(f"{name}: {value}")


def _tell(progress: Progress) -> None:
    """One line an attempt, on standard error."""
    loss = "" if progress.loss is None else f"  loss {progress.loss:.4f}"
    epsilon = "" if progress.epsilon is None else f"  epsilon {progress.epsilon:.4f}"
    lost = f"  lost {', '.join(progress.lost)}" if progress.lost else ""
    typer.echo(
        f"round {progress.round_number} of {progress.rounds}{loss}{epsilon}  {progress.bytes_sent} bytes  "
        f"{progress.left_s:.0f} s left{lost}",
        err=True,
    )
