"""A request of the ledger in words: what was asked, for which epsilon, and how accurate the answer was.

Layer:       federation.audit, above kept_texts.
Guarantees:  from the request's own bytes and the consortium file; the accuracy is that of the plan that the request names,
             derived again among the sites of its time, and is left out where no plan derived here is that one.
See instead: lines of the ledger (``account``).
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from crossward.base_error import CrosswardError
from federation.consortium.membership import stages
from federation.protocol.request import Request
from federation.requests.kinds.registry import KINDS
from federation.requests.planning import plan_request
from federation.requests.question_text import question_text
from federation.training.rounds.entry_check import terms_of
from federation.training.rounds.round_plan import plan_of_request
from federation.training.running.helpers import key_of
from federation.training.task import KIND as TRAINING
from privacy_accounting.decimals import format_decimal
from smpc.errors import SmpcError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from federation.audit.kept_texts import KeptTexts
    from federation.consortium.consortium_file import Consortium
    from federation.requests.planning import AnyPlanned

MOST_NOISES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request in words.

    Attributes:
        question: in one line; empty without a text.
        epsilon: decimal; empty for exact answers and without a text.
        accuracy: the noise as the plan states it; empty where it cannot be derived.
        text: kept, missing, or changed with the places.
    """

    question: str = ""
    epsilon: str = ""
    accuracy: str = ""
    text: str = "missing"


class Accuracies:
    """The accuracy of requests; of equal questions it is derived once."""

    def __init__(self, consortium: Consortium | None) -> None:
        """Take the agreement; None: no accuracy."""
        self._consortium = consortium
        self._known: dict[tuple[object, ...], str] = {}

    def of(self, request: Request) -> str:
        """Return the noise of an answer as its plan states it; empty where no plan can be derived."""
        if self._consortium is None and request.mode != "exact":
            return ""
        question = json.dumps(request.question, sort_keys=True)
        key = (request.kind, request.mode, request.epsilon, request.configuration, request.plan, question)
        if key not in self._known:
            self._known[key] = accuracy_of(request, self._consortium)
        return self._known[key]


def asked_of(digest: str, kept: KeptTexts, accuracies: Accuracies) -> Asked:
    """Return the words of a request.

    Args:
        digest: the request hash, as the ledger entry holds it.
        kept: the texts at hand.
        accuracies: of the agreement.
    """
    places = kept.changed.get(digest, [])
    changed = f"changed at {', '.join(places)}" if places else ""
    data = kept.texts.get(digest)
    if data is None:
        return Asked(text=changed or "missing")
    try:
        request = Request.from_bytes(data)
    except CrosswardError:  # signed under the rules of another version
        return Asked(text="not readable by this version")
    return Asked(
        question=question_text(request),
        epsilon="" if request.epsilon is None else format_decimal(request.epsilon),
        accuracy=accuracies.of(request),
        text=f"kept; {changed}" if changed else "kept",
    )


def accuracy_of(request: Request, consortium: Consortium | None) -> str:
    """Return the noise of an answer as its plan states it; empty where no plan can be derived."""
    if request.mode == "exact":
        return "exact, no noise"
    if consortium is None:
        return ""
    derive = {**dict.fromkeys(KINDS, _noise), TRAINING: _training_noise}.get(request.kind)
    if derive is None:
        return ""
    for then in stages(consortium):
        with contextlib.suppress(CrosswardError, SmpcError):
            found = derive(request, then)
            if found:
                return found
    return ""


def planned_then(request: Request, consortium: Consortium) -> tuple[AnyPlanned, Consortium] | None:
    """Plan a request again, with the sites that were members when it was made.

    Args:
        request: as its analyst signed it.
        consortium: the agreement, with the changes of its members.

    Returns:
        The plan that the request names, and the agreement of its time; None where none gives that plan.
    """
    for then in stages(consortium):
        with contextlib.suppress(CrosswardError, SmpcError):
            planned = plan_request(request.to_bytes(), then)
            if planned.work.digest() == request.plan:
                return planned, then
    return None


def _noise(request: Request, consortium: Consortium) -> str:
    planned = plan_request(request.to_bytes(), consortium)
    return noise_text(planned.work.noise()) if planned.work.digest() == request.plan else ""


def noise_text(noise: Mapping[str, float]) -> str:
    """Return standard deviations by name in one text, at most ``MOST_NOISES`` of them."""
    shown = [f"{name} ± {deviation:.3g}" for name, deviation in list(noise.items())[:MOST_NOISES]]
    more = len(noise) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _training_noise(request: Request, consortium: Consortium) -> str:
    if request.configuration != consortium.configuration():
        return ""
    terms = terms_of(consortium, str(request.question.get("table")), key_of(consortium))
    run_plan = plan_of_request(request, consortium.schema, terms)
    if run_plan.digest() != request.plan:
        return ""
    shape: dict[str, Any] = run_plan.to_dict()
    deviation = shape["noise_standard_deviation_per_site"] * len(terms.sites) ** 0.5
    return f"each sum ± {deviation:.3g}"
