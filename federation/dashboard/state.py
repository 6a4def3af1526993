"""What the process of a dashboard holds: the session, prices shown, answers paid for, what was refused.

Layer:       federation.dashboard.state, above questions and node_watch.
Guarantees:  an answer that was paid for is kept until ``MOST_ANSWERS`` newer ones came, also where the browser has gone. A
             price that was shown can be confirmed once. All of it lies in memory and ends with the process.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from federation.dashboard.node_watch import NodeWatch
from federation.display.error_text import sentence

if TYPE_CHECKING:
    from pathlib import Path

    from federation.client.session import Session
    from federation.dashboard.ledger_view import LedgerView
    from federation.dashboard.price import Price
    from federation.dashboard.questions import Question
    from federation.dashboard.training_jobs import TrainingJobs
    from federation.dashboard.training_plan import TrainingPlan

MOST_PRICES: Final = 64
MOST_ANSWERS: Final = 100
MOST_REFUSALS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One answered question.

    Attributes:
        key: in its address.
        question: as it was asked.
        answer: as the session gave it.
        time_s: seconds since 1970.
    """

    key: str
    question: Question
    answer: Any = field(repr=False)
    time_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One question that was refused or failed.

    Attributes:
        title: of the question.
        code: name of the error.
        text: the error's sentence.
        time_s: seconds since 1970.
    """

    title: str
    code: str
    text: str
    time_s: float


class DashboardState:
    """Everything the pages share. Safe for several threads."""

    def __init__(
        self,
        session: Session,
        *,
        ledger: LedgerView | None = None,
        site: Path | None = None,
        jobs: TrainingJobs | None = None,
    ) -> None:
        """Take an open session.

        Args:
            session: of the analyst, whose identity this process holds.
            ledger: a ledger on this machine.
            site: a site's own file or folder, for its administrator.
            jobs: the trainings.
        """
        self.session, self.ledger, self.site, self.jobs = session, ledger, site, jobs
        self.nodes = NodeWatch(session.health, lambda: session.consortium)
        self._lock = threading.Lock()
        self._prices: OrderedDict[str, tuple[Question, Price]] = OrderedDict()
        self._plans: OrderedDict[str, TrainingPlan] = OrderedDict()
        self._answers: OrderedDict[str, Asked] = OrderedDict()
        self._refused: list[Refused] = []

    def running(self) -> list[str]:
        """Return the titles of the trainings that go on."""
        return [] if self.jobs is None else self.jobs.running()

    def keep_price(self, question: Question, price: Price) -> str:
        """Keep a price that is shown; return the key that confirms it."""
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._prices[key] = (question, price)
            while len(self._prices) > MOST_PRICES:
                self._prices.popitem(last=False)
        return key

    def take_price(self, key: str) -> tuple[Question, Price] | None:
        """Return a shown price, once."""
        with self._lock:
            return self._prices.pop(key, None)

    def keep_plan(self, plan: TrainingPlan) -> str:
        """Keep the plan of a training that is shown; return the key that confirms it."""
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._plans[key] = plan
            while len(self._plans) > MOST_PRICES:
                self._plans.popitem(last=False)
        return key

    def take_plan(self, key: str) -> TrainingPlan | None:
        """Return a shown plan, once."""
        with self._lock:
            return self._plans.pop(key, None)

    def keep_answer(self, question: Question, answer: Any) -> Asked:
        """Keep an answer."""
        asked = Asked(key=secrets.token_urlsafe(12), question=question, answer=answer, time_s=time.time())
        with self._lock:
            self._answers[asked.key] = asked
            while len(self._answers) > MOST_ANSWERS:
                self._answers.popitem(last=False)
        return asked

    def answer(self, key: str) -> Asked | None:
        """Return an answer."""
        with self._lock:
            return self._answers.get(key)

    def answers(self, back: str = "") -> list[Asked]:
        """Return the answers, the newest first; of one page where one is named."""
        with self._lock:
            found = list(self._answers.values())
        return [each for each in reversed(found) if each.question.back.startswith(back)]

    def note_refusal(self, title: str, error: BaseException) -> None:
        """Note that a question was refused or failed."""
        refused = Refused(title=title, code=type(error).__name__, text=sentence(error), time_s=time.time())
        with self._lock:
            self._refused = [refused, *self._refused][:MOST_REFUSALS]

    def refused(self) -> list[Refused]:
        """Return what was refused, the newest first."""
        with self._lock:
            return list(self._refused)
