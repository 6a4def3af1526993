"""The last line of an answer: what is left of the budget that paid.

Layer:       federation.cli.questions.budget_line, above outcome.
Guarantees:  never an error: the answer above it is paid for and shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.cli.outcome import OURS, sentence

if TYPE_CHECKING:
    from analytics.results.result import Result
    from analytics.statistics.base import Answer
    from federation.client.session import Session


def budget_line(answer: Result | Answer, session: Session) -> str:
    """Say what is left of the sub-budget that paid, or why that could not be asked."""
    from federation.display.terminal import left_line

    try:
        return left_line(answer, session.budget_rows())
    except OURS as error:
        return f"what is left could not be asked: {sentence(error)}"
