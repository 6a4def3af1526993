"""Quotes: what private questions would cost and leave, and how accurate their answers would be.

Layer:       federation.client.quotes, above by_accuracy; below session.
Guarantees:  free; the sequencer's replica prices, and keeps nothing. Accuracy is computed here, from public facts.
See instead: asking (``federation.client.session``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analytics.errors import InvalidRequestError
from federation.client.arguments import questions_of
from federation.client.by_accuracy import (
    CONFIDENCE,
    accuracy_at,
    cheapest_epsilon,
    check_payable,
    confidence_of,
    epsilons_of,
    goal_of,
    units_of,
)
from federation.client.named_statistic import PURPOSE
from federation.protocol.messages import QuoteAnswer, QuoteAsk
from privacy_accounting.decimals import format_decimal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from analytics.accuracy.goal import Goal
    from analytics.results.result import Result
    from federation.client.arguments import Questions
    from federation.client.kept_answers import KeptAnswers
    from federation.consortium.consortium_file import Consortium
    from federation.protocol.channel_pool import ChannelPool
    from federation.requests.planning import Planned


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

    def _planned(self, text: str, epsilon: object, *, exact: bool, purpose: str) -> Planned[Result]:
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

        Returns:
            A row for each; ``accuracy`` has the distance that each figure keeps, None where nothing is promised;
            ``from_store`` says whether the analyst's own store answers it for nothing.

        Raises:
            InvalidRequestError: none of these; further errors as ``sql``.
        """
        sure = confidence_of(CONFIDENCE if confidence is None else confidence)
        several, units = epsilons_of(epsilon), units_of(expected_units)
        if within is not None:
            asked = self._cheapest(questions, epsilon, goal_of(within, sure, units))
        elif several is None:
            asked = [(text, own, units, sure) for text, own in questions_of(questions, epsilon)]
        else:
            texts = questions_of(questions, several[0])
            asked = [(text, own, units, sure) for text, _ in texts for own in several]
        planned = [self._planned(text, own, exact=False, purpose=purpose) for text, own, _, _ in asked]
        if several is None:
            rows = self._priced([each.data for each in planned])
        else:
            rows = [row for each in planned for row in self._priced([each.data])]
        return [
            {"sql": text, **row, "confidence": format_decimal(sure)}
            | self._accuracy(text, each, n_rows, own_sure)
            for (text, _, n_rows, own_sure), each, row in zip(asked, planned, rows, strict=True)
        ]

    def _accuracy(
        self, text: str, planned: Planned[Result], n_rows: int | None, confidence: Fraction
    ) -> dict[str, Any]:
        """The part of a quote that needs no site."""
        epsilon = planned.request.epsilon
        if epsilon is None:
            raise InvalidRequestError(parameter="epsilon", reason="must be given")
        return {
            "asked_epsilon": format_decimal(epsilon),
            "accuracy": accuracy_at(text, epsilon, self.consortium, confidence=confidence, n_rows=n_rows),
            "from_store": self._kept.answer(planned, self.consortium, fresh=False) is not None,
        }

    def _cheapest(
        self, questions: Questions, epsilon: object, goal: Goal
    ) -> list[tuple[str, object, int | None, Fraction]]:
        """Each text with its cheapest epsilon, the rows behind its means, and the confidence beside their doubt."""
        if epsilon is not None:
            raise InvalidRequestError(parameter="within", reason="stands in place of epsilon, not beside it")
        found: list[tuple[str, object, int | None, Fraction]] = []
        for text, _ in questions_of(questions, 1):
            own, aimed = cheapest_epsilon(text, goal, self.consortium, self._kept)
            found.append((text, own, aimed.n_rows, aimed.confidence))
        return found

    def _check_payable(self, text: str, goal: Goal, planned: Planned[Result]) -> None:
        """Refuse a goal that the budget does not pay for, with what it pays for; see ``by_accuracy.check_payable``."""

        def refusal(epsilon: Fraction) -> str:
            asked = self._planned(text, epsilon, exact=False, purpose=planned.request.purpose)
            (row,) = self._priced([asked.data])
            return "" if row["fits"] else str(row["refusal"])

        epsilon = planned.request.epsilon
        if epsilon is not None:
            check_payable(text, goal, epsilon, self.consortium, refusal)

    def _priced(self, requests: Sequence[bytes]) -> list[dict[str, Any]]:
        """Ask the sequencer's replica; each request counts the earlier ones as spent."""
        with self._pool.question([self._sequencer]) as exchange:
            message = QuoteAsk(requests=list(requests))
            answer = exchange.ask_one(self._sequencer, message, QuoteAnswer, timeout_s=self._answer_s)
        return [dict(row) for row in answer.rows]
