"""A request of the ledger in words: what was asked, for which epsilon, and how accurate the answer was.

Layer:       federation.audit, above kept_texts.
Guarantees:  from the request's own bytes and the consortium file; the accuracy is that of the plan, derived again, and
             is left out where the request was made under another consortium file than the given one.
See instead: lines of the ledger (``account``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from crossward.base_error import CrosswardError
from federation.protocol.request import Request
from federation.requests.kinds.registry import KINDS
from federation.requests.planning import plan_request
from federation.requests.question_text import question_text
from federation.training.entry_check import terms_of
from federation.training.helpers import pinned_key
from federation.training.round_plan import plan_of_request
from federation.training.task import KIND as TRAINING
from privacy_accounting.decimals import format_decimal
from smpc.errors import SmpcError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from federation.audit.kept_texts import KeptTexts
    from federation.consortium.consortium_file import Consortium

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


def asked_of(digest: str, kept: KeptTexts, consortium: Consortium | None) -> Asked:
    """Return the words of a request.

    Args:
        digest: the request hash, as the ledger entry holds it.
        kept: the texts at hand.
        consortium: the agreement, for the accuracy; None: without.
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
        accuracy=accuracy_of(request, consortium),
        text=f"kept; {changed}" if changed else "kept",
    )


def accuracy_of(request: Request, consortium: Consortium | None) -> str:
    """Return the noise of an answer as its plan states it; empty where no plan can be derived."""
    if request.mode == "exact":
        return "exact, no noise"
    if consortium is None or request.configuration != consortium.digest():
        return ""
    try:
        derive = {**dict.fromkeys(KINDS, _noise), TRAINING: _training_noise}.get(request.kind)
        return "" if derive is None else derive(request, consortium)
    except (CrosswardError, SmpcError):
        return ""


def _noise(request: Request, consortium: Consortium) -> str:
    planned = plan_request(request.to_bytes(), consortium)
    return noise_text(planned.work.noise())


def noise_text(noise: Mapping[str, float]) -> str:
    """Return standard deviations by name in one text, at most ``MOST_NOISES`` of them."""
    shown = [f"{name} ± {deviation:.3g}" for name, deviation in list(noise.items())[:MOST_NOISES]]
    more = len(noise) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _training_noise(request: Request, consortium: Consortium) -> str:
    terms = terms_of(consortium, str(request.question.get("table")), pinned_key(consortium))
    shape: dict[str, Any] = plan_of_request(request, consortium.schema, terms).to_dict()
    deviation = shape["noise_standard_deviation_per_site"] * len(terms.sites) ** 0.5
    return f"each sum ± {deviation:.3g}"
