"""The part of a session that trains models.

Layer:       federation.client.trains, below session.
See instead: questions (``federation.client.session``), how a training runs (``federation.training.running.coordinator``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from federation.client.checkpoint_file import new_checkpoint, read, write
from federation.client.progress import observer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction

    from federation.consortium.consortium_file import Consortium
    from federation.identity.certificates import Identity
    from federation.network.channel import Network
    from federation.protocol.channel_pool import ChannelPool
    from federation.training.evaluation import Evaluation
    from federation.training.fitted_model import FederatedModel
    from federation.training.rounds.round_plan import RunPlan
    from federation.training.running.checkpoint import Checkpoint
    from federation.training.running.outcome import Outcome, Progress
    from federation.training.running.training_run import Training
    from federation.training.task import TrainingTask

T = TypeVar("T")


class Trains:
    """Trainings of a session; the session sets the attributes."""

    consortium: Consortium
    _founded: Consortium
    _identity: Identity
    _network: Network
    _pool: ChannelPool
    _answer_s: float
    _run_s: float

    def _among_members(self, ask: Callable[[], T]) -> T:
        raise NotImplementedError

    def train(
        self,
        task: TrainingTask,
        *,
        on_progress: Callable[[Progress], None] | None = None,
        checkpoint: str | Path | None = None,
    ) -> Outcome:
        """Train a model over all sites, charged round by round; see ``FederatedLogisticRegression``.

        Visible to: the analyst and all sites see the opened, noisy sums; the aggregator sees ciphertexts, the key holder sums;
            there are no helpers where the task adds up by shares.
        Cost: at most the task's epsilon of the training budget.

        Args:
            task: the model, its data and its budget.
            on_progress: called after each attempt; default: as ``%load_ext crossward.notebook`` has set it.
            checkpoint: a new file, written whenever an attempt was charged or opened; ``resume`` goes on from it.

        Returns:
            The model and its run; after a failure or a stop, the model of the rounds so far (``ending``).

        Raises:
            ConfigError, InvalidRequestError: the task cannot be planned; the file exists, or cannot be written.
            PolicyRefusedError: a site's rule forbids it; nothing was spent.
            BudgetExceededError: the budget does not pay for all rounds; nothing was spent.
            SiteUnavailableError: too few sites, or a helper is gone; a note says what was charged.
        """
        place = None if checkpoint is None else new_checkpoint(checkpoint)
        training = self._among_members(lambda: self._training(task).asked())
        return training.go(
            observer_of(on_progress), None if place is None else lambda data: write(place, data)
        )

    def resume(
        self,
        task: TrainingTask,
        checkpoint: str | Path,
        *,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Outcome:
        """Go on with a training that was interrupted; no attempt is charged twice.

        Visible to: as ``train``.
        Cost: the rounds that the run has not charged yet.

        Args:
            task: of the run.
            checkpoint: the file that ``train`` wrote; it is written further.
            on_progress: called after each attempt.

        Returns:
            The model and its run, from its first round; errors as ``train``.

        Raises:
            ConfigError: the file was edited, or is of another run, task, analyst or consortium.
            SiteUnavailableError: besides: the key holder has not got the sums of the run any more.
        """
        from federation.training.running.checkpoint import Checkpoint

        place = Path(checkpoint)
        earlier = Checkpoint.from_bytes(read(place), self._identity)
        training = self._among_members(lambda: self._training(task, earlier).asked())
        return training.go(observer_of(on_progress), lambda data: write(place, data))

    def evaluate(
        self,
        model: FederatedModel,
        *,
        table: str,
        target: str,
        epsilon: float | str | Fraction,
        metrics: Sequence[str] | None = None,
        purpose: str = "analysis",
    ) -> Evaluation:
        """Evaluate a trained model over all sites' rows, by one noisy histogram of its scores, or by sums of its residuals.

        Visible to: as ``train``; the sites see the model's parameters too.
        Cost: ``epsilon`` of the training budget, once for all metrics.

        Args:
            model: fitted.
            table: of the schema, with the model's features.
            target: the column with the truth.
            epsilon: price.
            metrics: of classes ``accuracy``; of two classes also ``roc_auc``, ``brier``, ``sensitivity``, ``specificity``
                and ``calibration``; of a number ``rmse``, ``mae``, ``r2``, ``bias`` and ``calibration``, of a count also
                ``mean_deviance``. By default ``accuracy``, of a number ``rmse``.
            purpose: as entered in the ledger.

        Returns:
            The figures, with the standard deviation that the noise gives them.

        Raises:
            ConfigError: a metric or a column does not exist, or the table's columns are others than the model's. Besides as
                ``train``.
        """
        from federation.training.evaluation import default_metrics, evaluated, evaluation_task

        metrics = default_metrics(model) if metrics is None else metrics
        task = evaluation_task(
            model, table=table, target=target, epsilon=epsilon, metrics=metrics, purpose=purpose
        )
        model.check_encoding(self.plan_training(task).encoding)
        return evaluated(self.train(task), metrics)

    def plan_training(self, task: TrainingTask) -> RunPlan:
        """Plan a training and price it; the client asks no site and spends nothing; errors as ``train``."""
        return self._training(task).plan

    def quote_training(self, task: TrainingTask) -> dict[str, str | bool] | None:
        """Return whether the budget pays for a whole training; free; None without noise; errors as ``train``."""
        return self._training(task).fits()

    def _training(self, task: TrainingTask, checkpoint: Checkpoint | None = None) -> Training:
        from federation.training.running.training_run import Training

        return Training(
            consortium=self._founded,
            members=self.consortium.names,
            identity=self._identity,
            network=self._network,
            pool=self._pool,
            task=task,
            waits_s=(self._answer_s, self._run_s),
            checkpoint=checkpoint,
        )
