"""Quotes: what private questions would cost and leave, and how accurate their answers would be.

Layer:       federation.client.questions.quotes, above by_accuracy; below session.
Guarantees:  free; the sequencer's replica prices, and keeps nothing. Accuracy is computed here, from public facts.
See instead: asking (``federation.client.session``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from analytics.errors import InvalidRequestError
from federation.client.arguments import mechanism_of, questions_of
from federation.client.kept.kept_answers import GAUSSIAN, plan_of
from federation.client.questions.by_accuracy import (
    CONFIDENCE,
    accuracy_of,
    cheapest_epsilon,
    check_payable,
    confidence_of,
    epsilons_of,
    goal_of,
    units_of,
)
from federation.client.questions.named_statistic import PURPOSE
from federation.client.questions.quote_rows import QuoteRows
from federation.protocol.messages import QuoteAnswer, QuoteAsk
from privacy_accounting.decimals import format_decimal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from analytics.accuracy.goal import Goal
    from analytics.results.result import Result
    from federation.client.arguments import Questions
    from federation.client.kept.kept_answers import KeptAnswers
    from federation.consortium.consortium_file import Consortium
    from federation.protocol.channel_pool import ChannelPool
    from federation.requests.planning import Planned


class _Asked(NamedTuple):
    """A question of a quote, the rows behind its means, the confidence beside the doubt about these rows.

    ``is_kept`` says whether the analyst's own store answers it.
    """

    text: str
    planned: Planned[Result]
    n_rows: int | None
    confidence: Fraction
    is_kept: bool


class Quoting:
    """The part of a session that prices questions.

    Attributes:
        consortium: the agreement, restricted to the sites that this session knows as members.
    """

    consortium: Consortium
    _pool: ChannelPool
    _sequencer: str
    _answer_s: float
    _kept: KeptAnswers

    def _planned(
        self, text: str, epsilon: object, *, exact: bool, purpose: str, mechanism: str | None = None
    ) -> Planned[Result]:
        """See ``federation.client.session``."""
        raise NotImplementedError

    def quote(
        self,
        questions: Questions,
        *,
        epsilon: object = None,
        within: object = None,
        confidence: object = None,
        expected_units: object = None,
        purpose: str = PURPOSE,
        mechanism: str | None = None,
    ) -> list[dict[str, Any]]:
        """Price private questions, with the budget they would leave and their accuracy; free, sites keep nothing.

        Questions are priced one after the other, each with the budget that the earlier ones leave. Several epsilons are
        alternatives instead: each is priced by itself.

        Args:
            questions: one text or several, or pairs of a text and its own epsilon.
            epsilon: of each text; a list of alternatives gives a row for each text and epsilon.
            within: in place of epsilon: the cheapest release of each text that reaches this accuracy.
            confidence: how often a figure keeps the distance in ``accuracy``; default 0.95.
            expected_units: privacy units behind each group at least, for means.
            purpose: the purpose whose cap they would count against.
            mechanism: as ``sql``; each row's ``alternatives`` show all of them side by side.

        Returns:
            A row for each, shown as a table; ``accuracy`` has the distance that each figure keeps, None where nothing is
            promised;
            ``from_store`` says whether the analyst's own store answers it for nothing.

        Raises:
            InvalidRequestError: none of these; further errors as ``sql``.
        """
        sure = confidence_of(CONFIDENCE if confidence is None else confidence)
        several, units = epsilons_of(epsilon), units_of(expected_units)
        asked: list[_Asked] = []
        if within is not None:
            if epsilon is not None:
                raise InvalidRequestError(
                    parameter="within", reason="stands in place of epsilon, not beside it"
                )
            goal = goal_of(within, sure, units)
            for text, _ in questions_of(questions, 1):
                planned, aimed, kept = self._aimed(
                    text, goal, purpose=purpose, mechanism=mechanism, fresh=False
                )
                asked.append(_Asked(text, planned, aimed.n_rows, aimed.confidence, kept is not None))
        else:
            pairs = questions_of(questions, epsilon if several is None else several[0])
            for text, own in pairs if several is None else [(t, e) for t, _ in pairs for e in several]:
                planned = self._planned(text, own, exact=False, purpose=purpose, mechanism=mechanism)
                kept = self._kept.answer(planned, self.consortium, fresh=False)
                asked.append(_Asked(text, planned, units, sure, kept is not None))
        if several is None:
            rows = self._priced([each.planned.data for each in asked])
        else:
            rows = [row for each in asked for row in self._priced([each.planned.data])]
        return QuoteRows(
            {"sql": each.text, **row, "confidence": format_decimal(sure)}
            | self._accuracy(each)
            | {"alternatives": each.planned.work.alternatives(row)}
            for each, row in zip(asked, rows, strict=True)
        )

    def _accuracy(self, asked: _Asked) -> dict[str, Any]:
        """The part of a quote that needs no site."""
        plan, epsilon = plan_of(asked.planned), asked.planned.request.epsilon
        if epsilon is None:
            raise InvalidRequestError(parameter="epsilon", reason="must be given")
        return {
            "asked_epsilon": format_decimal(epsilon),
            "accuracy": accuracy_of(plan, confidence=asked.confidence, n_rows=asked.n_rows),
            "from_store": asked.is_kept,
        }

    def _cheapest(
        self, text: str, goal: Goal, *, purpose: str, mechanism: str | None
    ) -> tuple[Planned[Result], Goal]:
        """The cheapest release of a text that reaches a goal, and the goal with the rows that it was found for."""
        named = mechanism_of(mechanism)
        epsilon, aimed, chosen = cheapest_epsilon(text, goal, self.consortium, self._kept, named)
        return self._planned(text, epsilon, exact=False, purpose=purpose, mechanism=chosen), aimed

    def _aimed(
        self, text: str, goal: Goal, *, purpose: str, mechanism: str | None, fresh: bool
    ) -> tuple[Planned[Result], Goal, Result | None]:
        """As ``_cheapest``, and the answer from the analyst's store where that keeps the promise.

        Of the store the releases with Gaussian noise are used, measured against the Gaussian release that reaches the goal:
        Laplace noise of one standard deviation has other tails.
        """
        planned, aimed = self._cheapest(text, goal, purpose=purpose, mechanism=mechanism)
        enough = planned
        if plan_of(planned).noise_name != GAUSSIAN and not fresh:
            enough, _ = self._cheapest(text, goal, purpose=purpose, mechanism=GAUSSIAN)
        return planned, aimed, self._kept.answer(enough, self.consortium, fresh=fresh, is_promised=True)

    def _check_payable(self, text: str, goal: Goal, planned: Planned[Result]) -> None:
        """Refuse a goal that the budget does not pay for, with what it pays for; see ``by_accuracy.check_payable``."""

        def at(epsilon: Fraction) -> Planned[Result]:
            request = planned.request
            return self._planned(
                text, epsilon, exact=False, purpose=request.purpose, mechanism=request.mechanism
            )

        def refusal(epsilon: Fraction) -> str:
            (row,) = self._priced([at(epsilon).data])
            return "" if row["fits"] else str(row["refusal"])

        epsilon = planned.request.epsilon
        if epsilon is not None:
            check_payable(goal, epsilon, lambda each: plan_of(at(each)), refusal)

    def _priced(self, requests: Sequence[bytes]) -> list[dict[str, Any]]:
        """Ask the sequencer's replica; each request counts the earlier ones as spent."""
        with self._pool.question([self._sequencer]) as exchange:
            message = QuoteAsk(requests=list(requests))
            answer = exchange.ask_one(self._sequencer, message, QuoteAnswer, timeout_s=self._answer_s)
        return [dict(row) for row in answer.rows]
