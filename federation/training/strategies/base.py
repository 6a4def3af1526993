"""What a strategy is: what a site sends in a round, how an opened sum moves the model, and in which form it is private.

Layer:       federation.training.strategies.base. Pure integers.
Terms:       a *clipped sum* adds up the clipped vectors of a site's units at a point, in grid units; it has one more
             number, the loss, where the task pays for it. The *state* is the public model that every party derives.
Guarantees:  a strategy never sees a row, a unit or a count: it asks ``ClippedSums`` for sums at points of its choice,
             at most as often as the round is charged for. With epsilon each of these sums has its noise before the
             strategy sees it, and the price follows from form and number of sums, not from the strategy. In the form
             ``ONE_SUM`` a site computes one sum and sends exactly this noisy sum; in the form ``LOCAL_STEPS`` each sum
             has the site's own full noise, so that whatever a strategy makes of it, kept state included, costs
             nothing more.
See instead: noise and price (``round_price``), the sums (``local_update``), the models (``models.base``).
Source:      docs/guarantees.md P13: forms (a) and (b).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from federation.paillier.packing import half_range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from federation.training.optimizer import Descent, UpdateRule
    from federation.training.options import Option, Value


class PrivateForm(StrEnum):
    """The two forms in which a training may have an epsilon."""

    ONE_SUM = "one clipped sum a round, whose noise all sites share"
    LOCAL_STEPS = "local steps, each with the site's own full noise"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunShape:
    """What a strategy knows of a run: public numbers, equal at every party.

    Attributes:
        size: number of parameters; a clipped sum has them first.
        has_loss: whether a clipped sum has the loss as its last number.
        rule: of a step.
        n_sites: of the consortium.
        clamp: U, the largest coordinate of a clipped sum without its noise.
        options: of the task.
        is_private: whether the run has an epsilon.
        n_head: parameters at the end that are the model's head.
        norms: where the model's norms stand: the first parameter of each range, and one past its last.
        n_rounds: most rounds of the task.
    """

    size: int
    has_loss: bool
    rule: UpdateRule
    n_sites: int
    clamp: int
    options: Mapping[str, Value]
    is_private: bool = False
    n_head: int = 1
    norms: tuple[tuple[int, int], ...] = ()
    n_rounds: int = 1


class ClippedSums(Protocol):
    """A site's clipped sums, with the noise of a private run."""

    def at(self, parameters: tuple[int, ...]) -> list[int]:
        """Return the sum at a point, shape ``(size,)`` or ``(size + 1,)`` with the loss.

        Raises:
            UpdateRejectedError: the round is not charged for one more sum.
        """
        ...


class Strategy(ABC):
    """One way to train. It never changes, and one object serves every run.

    Attributes:
        name: in task files and requests.
        private_form: the form in which it may have an epsilon; None for none.
        extra_numbers: numbers in an update beside parameters and loss.
        largest_weight: most by which a site multiplies its sum before the noise, which is calibrated to it.
        sends_loss: whether a loss that is paid for reaches the analyst.
        needs_loss: whether it trains only where a task has ``report_loss``.
        keeps_state: whether a site keeps something of its own from round to round; with epsilon only in the form
            ``LOCAL_STEPS``.
        learning_rate: of a task that names none; None for the model's own.
        options: parameters of a task that this strategy alone knows.
    """

    name: ClassVar[str]
    private_form: ClassVar[PrivateForm | None]
    extra_numbers: ClassVar[int] = 0
    largest_weight: ClassVar[int] = 1
    sends_loss: ClassVar[bool] = True
    needs_loss: ClassVar[bool] = False
    keeps_state: ClassVar[bool] = False
    learning_rate: ClassVar[Fraction | None] = None
    options: ClassVar[Mapping[str, Option]] = {}

    def model_mistakes(self, shape: RunShape) -> list[str]:
        """Return why it cannot train a model of this shape."""
        del shape
        return []

    def mistakes(self, rule: UpdateRule) -> list[str]:
        """Return what a task asks for and this strategy cannot do, each with the parameter's name."""
        del rule
        return []

    def n_sums(self, options: Mapping[str, Value]) -> int:
        """Return the number of clipped sums that a site computes in a round; each one is charged."""
        del options
        return 1

    def n_rounds(self, options: Mapping[str, Value]) -> int | None:
        """Return the only number of rounds that a task may have; None for any."""
        del options
        return None

    def buffer(self, options: Mapping[str, Value]) -> int | None:
        """Return how many announced updates make a step; None where all present sites take part in every attempt."""
        del options
        return None

    def weight(self, staleness: int) -> int:
        """Return by what a site multiplies its sum, at most ``largest_weight``; a function of public numbers alone.

        Args:
            staleness: rounds that were opened after the model at which the sum was computed.
        """
        del staleness
        return 1

    def rule(self, rule: UpdateRule, options: Mapping[str, Value], n_sites: int) -> UpdateRule:
        """Return the task's rule as this strategy steps by it.

        Args:
            rule: of the task.
            options: of the task.
            n_sites: of the consortium.
        """
        del options, n_sites
        return rule

    def length(self, shape: RunShape) -> int:
        """Return the number of integers in an update."""
        return shape.size + self.extra_numbers + int(shape.has_loss)

    def half_range(self, shape: RunShape, sigma2: int) -> int:
        """Return H, the public bound on each coordinate of an update; ``sigma2`` is the variance of a sum's noise."""
        return half_range(clamp=shape.clamp, sigma2_local=sigma2)

    def local_update(
        self, shape: RunShape, state: Descent, sums: ClippedSums, kept: Any
    ) -> tuple[Sequence[int], Any]:
        """Compute what a site sends.

        Args:
            shape: of the run.
            state: the public model of this round.
            sums: this site's.
            kept: what this site kept from its last round; None at first, and where the strategy keeps nothing.

        Returns:
            Integers within ``half_range``, ``length`` of them: for the parameters, then extra numbers and the loss; and
            what the site keeps.
        """
        del shape
        return sums.at(state.parameters), kept

    def own_model(self, kept: Any) -> Sequence[int] | None:
        """Return the parameters of a site's own model in what it keeps; None where that is no model."""
        del kept
        return None

    @abstractmethod
    def next(self, shape: RunShape, state: Descent, total: Sequence[int]) -> Descent:
        """Move the public model by an opened sum: in integers, the same bits at every party.

        Args:
            shape: of the run.
            state: before this round.
            total: the sum of all sites' updates, integers.
        """

    def step_sentence(self, shape: RunShape) -> str:
        """Describe a step to the analyst, in words."""
        if shape.rule.divisor is not None:
            return f"each opened sum is divided by {shape.rule.divisor}, the task's expected_units, a public number"
        return (
            "each opened sum is divided by the root of the squared norms of all sums so far; "
            "no number of units is needed"
        )
