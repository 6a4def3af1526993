"""The command ``crossward train``.

Layer:       federation.cli.train.
Guarantees:  the file of ``--out`` is opened before the first charge. A run that a failure or Ctrl-C cuts short still
             writes and prints the model that was paid for, and ends with the exit code of a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path  # noqa: TC003 - read at run time by typer
from typing import TYPE_CHECKING, Annotated, Any

import typer

from federation.cli.options import AsJson, ConsortiumFile, IdentityFile, open_session, print_json
from federation.cli.outcome import OURS, REFUSED, printable, sentence
from federation.cli.progress import training_progress
from federation.cli.questions.gate import Require, RequireEpsilon, read_gate
from federation.cli.questions.output_file import output_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from federation.cli.questions.output_file import OutputFile
    from federation.client.session import Session
    from federation.training.running.outcome import Outcome, Progress
    from federation.training.task import TrainingTask


def train(  # noqa: PLR0913, PLR0917 - every one an option of its own
    task: Annotated[
        Path, typer.Argument(help="A task file: model, table, features, target, epsilon, rounds ...")
    ],
    consortium: ConsortiumFile,
    identity: IdentityFile = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Show plan, cost and whether the budget pays for it; spend nothing."),
    ] = False,
    earlier_explain: Annotated[bool, typer.Option("--dry-run", hidden=True)] = False,
    purpose: Annotated[
        str | None,
        typer.Option("--purpose", help="The purpose, as entered in the ledger; else the task file's."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the model here, as JSON.")] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint", help="Write here after every round what an interrupted training needs to go on."
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", help="Go on with the interrupted training of this checkpoint file."),
    ] = None,
    require: Require = None,
    require_epsilon: RequireEpsilon = None,
    as_json: AsJson = False,
) -> None:
    """Train a model over all sites, charged round by round."""
    from federation.training.task import load_task

    gate = read_gate(require, require_epsilon, exact=False)
    if checkpoint is not None and resume is not None:
        raise typer.BadParameter("--resume goes on writing its own file: leave --checkpoint out")
    loaded = load_task(task, purpose=purpose)
    with open_session(consortium, identity) as session:
        if explain or earlier_explain:
            _show(_forecast(session, loaded), as_json=as_json)
            return
        with nullcontext() if out is None else output_file(out) as place:
            if gate is not None:
                gate.check(session, loaded.purpose, loaded.table)
            with training_progress(None if as_json else _tell) as tell:
                outcome = _trained(session, loaded, checkpoint, resume, tell)
            _hand_over(outcome, loaded, place, as_json=as_json)
    if not outcome.is_whole:
        typer.echo(f"crossward: the training was cut short: {_why(outcome)}", err=True)
        if resume or checkpoint:
            typer.echo(
                f"crossward: go on with: crossward train {task} --resume {resume or checkpoint}", err=True
            )
        raise typer.Exit(REFUSED)


def _forecast(session: Session, task: TrainingTask) -> dict[str, Any]:
    """Return plan, cost and whether the budget pays for all rounds; the last part needs a site that answers."""
    plan = session.plan_training(task).to_dict()
    try:
        quoted = session.quote_training(task)
    except OURS as error:
        return plan | {"fits": f"could not be asked: {sentence(error)}"}
    if quoted is None:
        return plan | {"fits": "no epsilon is spent; each round is an exact disclosure"}
    if quoted["fits"]:
        return plan | {"fits": "yes: the budget pays for all rounds"}
    largest = quoted["largest_epsilon"] or "nothing"
    said = f"no: of {task.rounds} rounds {quoted['rounds_that_fit']} are paid for; largest epsilon that fits: {largest}"
    return plan | {"fits": said}


def _trained(
    session: Session,
    task: TrainingTask,
    checkpoint: Path | None,
    resume: Path | None,
    on_progress: Callable[[Progress], None] | None,
) -> Outcome:
    if resume is not None:
        return session.resume(task, resume, on_progress=on_progress)
    return session.train(task, on_progress=on_progress, checkpoint=checkpoint)


def _hand_over(outcome: Outcome, task: TrainingTask, place: OutputFile | None, *, as_json: bool) -> None:
    """Show the model, which is paid for, before anything else can fail; then write it."""
    from federation.training.estimators import estimator_of

    model = estimator_of(task.model).from_outcome(outcome)
    _show(_summary(outcome) | model.summary(), as_json=as_json)
    if place is not None:
        place.write(model.save)


def _summary(outcome: Outcome) -> dict[str, Any]:
    said = {
        "ending": str(outcome.ending),
        "rounds": len(outcome.history),
        "charged_attempts": outcome.n_charged,
        "epsilon": outcome.epsilon,
        "bytes_sent": outcome.bytes_sent,
    }
    more = {"failure": printable(outcome.failure), "notice": outcome.notice}
    return said | {name: text for name, text in more.items() if text}


def _why(outcome: Outcome) -> str:
    spent = "" if outcome.epsilon is None else f", epsilon {outcome.epsilon:.4g} is spent"
    failure = f" ({printable(outcome.failure)})" if outcome.failure else ""
    rounds = f"{len(outcome.history)} of {outcome.plan.task.rounds} rounds are in the model"
    return f"{outcome.ending}{failure}; {rounds}{spent}"


def _show(values: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        typer.echo(f"{name.replace('_', ' ')}: {_words(value)}")


def _words(value: object) -> str:
    """A value for a reader: six digits of a number, the members of a list or mapping side by side."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    return str(value)


def _tell(progress: Progress) -> None:
    """Print one line for each attempt, on standard error, where that is no terminal."""
    typer.echo(f"{progress.text()}  {progress.left_s:.0f} s left", err=True)
