"""Trainings that run in the background while their page shows how far they are.

Layer:       federation.dashboard.training_jobs, above display.
Guarantees:  one training at a time; each round is charged by the sites as for every training. What a run has opened is
             kept, also where it fails. With a folder for checkpoints a run that was cut short can go on, and charges no
             round twice.
"""

from __future__ import annotations

import json
import secrets
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from analytics.errors import InvalidRequestError
from crossward.base_error import CrosswardError
from federation.display.error_text import sentence
from federation.training.estimators import estimator_of
from federation.training.task import load_task

if TYPE_CHECKING:
    from federation.client.session import Session
    from federation.training.running.outcome import Outcome, Progress
    from federation.training.task import TrainingTask

CHECKPOINT: Final = ".checkpoint"
TASK: Final = ".task.toml"


@dataclass(slots=True)
class TrainingJob:
    """One run.

    Attributes:
        key: in its address.
        task: what is trained.
        began_s: seconds since 1970.
        progress: after each attempt.
        outcome: at its end; None while it runs, or where it failed before a round was opened.
        problem: why it failed; empty where it did not.
        is_running: whether it goes on.
        checkpoint: name of its file; empty without one.
    """

    key: str
    task: TrainingTask
    began_s: float
    progress: list[Progress] = field(default_factory=list)
    outcome: Outcome | None = None
    problem: str = ""
    is_running: bool = True
    checkpoint: str = ""

    @property
    def title(self) -> str:
        """Model, target and table in one line."""
        return f"{self.task.model} of {self.task.target} in {self.task.table}"

    @property
    def state(self) -> str:
        """Running, whole, or why it ended."""
        if self.is_running:
            return "running"
        if self.outcome is None:
            return "failed"
        return "all rounds done" if self.outcome.is_whole else f"cut short: {self.outcome.ending}"


class TrainingJobs:
    """The trainings of one dashboard. Safe for several threads."""

    def __init__(self, session: Session, folder: Path | None = None) -> None:
        """Take the session, and a folder for checkpoints if there is one."""
        self._session, self.folder = session, folder
        self._lock = threading.Lock()
        self._jobs: list[TrainingJob] = []

    def all(self) -> list[TrainingJob]:
        """Return the runs, the newest first."""
        with self._lock:
            return list(reversed(self._jobs))

    def find(self, key: str) -> TrainingJob | None:
        """Return one run."""
        return next((job for job in self.all() if job.key == key), None)

    def running(self) -> list[str]:
        """Return the titles of the runs that go on."""
        return [job.title for job in self.all() if job.is_running]

    def start(self, task: TrainingTask, text: str) -> TrainingJob:
        """Begin a run.

        Args:
            task: what is trained.
            text: the same as a task file, kept beside the checkpoint.

        Raises:
            InvalidRequestError: another one is running, or the folder cannot be written.
        """
        job = self._new(task)
        if self.folder is not None:
            job.checkpoint = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{job.key}"
            try:
                (self.folder / f"{job.checkpoint}{TASK}").write_text(text, "utf-8")
            except OSError as error:
                job.is_running = False
                job.problem = f"cannot write into {self.folder.name}: {error.strerror}"
                raise InvalidRequestError(parameter="checkpoints", reason=job.problem) from error
        self._go(job, is_resumed=False)
        return job

    def resume(self, name: str) -> TrainingJob:
        """Go on with a run of a checkpoint.

        Args:
            name: of the checkpoint, as ``kept`` gives it.

        Raises:
            InvalidRequestError: there is no such checkpoint, or another run goes on.
            ConfigError: its task cannot be read.
        """
        if self.folder is None or name not in self.kept():
            raise InvalidRequestError(parameter="checkpoint", reason="is not in the folder")
        job = self._new(load_task(self.folder / f"{name}{TASK}"))
        job.checkpoint = name
        self._go(job, is_resumed=True)
        return job

    def kept(self) -> list[str]:
        """Return the names of the checkpoints in the folder, the newest first."""
        if self.folder is None:
            return []
        names = [path.name.removesuffix(CHECKPOINT) for path in self.folder.glob(f"*{CHECKPOINT}")]
        return sorted((each for each in names if (self.folder / f"{each}{TASK}").is_file()), reverse=True)

    def _new(self, task: TrainingTask) -> TrainingJob:
        job = TrainingJob(key=secrets.token_urlsafe(8), task=task, began_s=time.time())
        with self._lock:
            if any(each.is_running for each in self._jobs):
                raise InvalidRequestError(
                    parameter="training", reason="is running already; one runs at a time"
                )
            self._jobs.append(job)
        return job

    def _go(self, job: TrainingJob, *, is_resumed: bool) -> None:
        threading.Thread(
            target=self._run, args=(job, is_resumed), name="dashboard training", daemon=True
        ).start()

    def _run(self, job: TrainingJob, is_resumed: bool) -> None:
        path = None if self.folder is None else self.folder / f"{job.checkpoint}{CHECKPOINT}"
        try:
            if is_resumed and path is not None:
                job.outcome = self._session.resume(job.task, path, on_progress=job.progress.append)
            else:
                job.outcome = self._session.train(job.task, on_progress=job.progress.append, checkpoint=path)
        except CrosswardError as error:
            job.problem = sentence(error)
        except Exception as error:  # noqa: BLE001 - the page must not show a run that goes on for ever
            job.problem = f"a fault of its own: {type(error).__name__}"
        finally:
            job.is_running = False


def summary_of(outcome: Outcome) -> dict[str, Any]:
    """Return coefficients, or the size of a network."""
    return estimator_of(outcome.plan.task.model).from_outcome(outcome).summary()


def model_file(outcome: Outcome) -> str:
    """Return the model as the text of its file."""
    model = estimator_of(outcome.plan.task.model).from_outcome(outcome)
    with tempfile.TemporaryDirectory(prefix="crossward-") as folder:
        path = Path(folder) / "model.json"
        model.save(path)
        return path.read_text("utf-8")


def task_text(values: dict[str, Any]) -> str:
    """Return the text of a task file.

    Args:
        values: of a form: texts, whole numbers, truth values and lists of texts.
    """
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
