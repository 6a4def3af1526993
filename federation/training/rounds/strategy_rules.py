"""What a strategy cannot train, by public numbers alone.

Layer:       federation.training.rounds.strategy_rules. Pure.
Guarantees:  a strategy that an epsilon does not cover is named before any charge: shared noise covers one sum that is sent
             as it is, and neither what a site keeps of it nor what it computes from it. It is sized for a site that takes
             its own part away.
Source:      docs/guarantees.md P13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.training.strategies.base import PrivateForm
from federation.training.strategies.registry import DEFAULT_STRATEGY

if TYPE_CHECKING:
    from federation.training.strategies.base import RunShape, Strategy
    from federation.training.task import TrainingTask


def strategy_mistakes(
    task: TrainingTask, strategy: Strategy, shape: RunShape, *, sum_length: int, colluding: int
) -> list[str]:
    """Return why the strategy cannot train this: what its rule does not know, and what an epsilon does not cover.

    Args:
        task: the task.
        strategy: of the task.
        shape: of the run.
        sum_length: numbers in a clipped sum.
        colluding: t of the agreement.
    """
    found = strategy.mistakes(shape.rule) + strategy.model_mistakes(shape)
    if task.report_loss and not strategy.sends_loss:
        found.append(f"report_loss: {strategy.name} sends no loss, so it has to be left out")
    n_rounds = strategy.n_rounds(shape.options)
    if n_rounds is not None and task.rounds != n_rounds:
        found.append(f"rounds: this model with these options is made in {n_rounds} rounds")
    if task.strategy not in {DEFAULT_STRATEGY, strategy.name}:
        found.append(f"strategy: {task.model} has a rule of its own, so it has to be left out")
    if strategy.needs_loss and not task.report_loss:
        found.append(f"report_loss: {strategy.name} weighs by losses that are paid for, so it has to be true")
    if task.epsilon is not None and strategy.private_form is None:
        found.append(f"strategy: {strategy.name} trains without an epsilon only")
    if task.epsilon is not None and strategy.private_form is PrivateForm.ONE_SUM:
        if colluding < 1:  # the next model, which every site has, gives the opened sum
            found.append(
                "epsilon: sites see what is trained and share its noise, so a site may have to collude in the agreement "
                "(colluding at least 1): it takes its own part of the noise away, and the noise is sized for that only there"
            )
        if strategy.keeps_state:
            found.append(
                f"strategy: each site keeps a state for {strategy.name}, and the noise of one sum does not cover it"
            )
        if strategy.n_sums(shape.options) != 1 or strategy.length(shape) != sum_length:
            found.append(
                f"strategy: {strategy.name} needs more than one sum, and the noise of one sum does not cover it"
            )
    return found
