"""Explains plan and price of a question before any site is asked.

Layer:       federation.requests.explanation. Uses public facts alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analytics.linkage.explain import explain_link, explain_link_text
from analytics.mining.explain import explain_mining, explain_mining_text
from analytics.plans.plan import ELEMENT_BYTES
from analytics.results.explain import explain, explain_text
from analytics.results.explain_statistic import explain_statistic, explain_statistic_text
from analytics.text_tables import as_block
from federation.requests.noise_alternatives import alternatives_text
from smpc.randomness import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.linkage.plan import LinkPlan
    from analytics.mining.plan import MiningPlan
    from analytics.mining.private.plan import PrivateMiningPlan
    from analytics.plans.plan import Plan
    from analytics.plans.statistic_plan import StatisticPlan
    from federation.requests.trust import TrustModel
    from smpc.cost import Cost

KEY_ROUNDS = 1
ANSWER_ROUNDS = 1


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Explanation:
    """A plan for people and for machines; no site was asked.

    Attributes:
        text: lines for a terminal.
        shape: the same as plain data.
    """

    text: str
    shape: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return dict(self.shape)

    def __repr__(self) -> str:
        """Return the first line."""
        return f"<Explanation: {self.text.partition(chr(10))[0]}>"

    def __str__(self) -> str:
        """Return the text."""
        return self.text

    def _repr_html_(self) -> str:
        return as_block(self.text)


def explain_query(
    plan: Plan, cost: Cost, secrecy: TrustModel, noises: Sequence[Mapping[str, str]] = ()
) -> Explanation:
    """Explain a question's plan and its trust model; rounds and bytes are those of a run.

    Args:
        plan: of the answer.
        cost: of its joint part, by a dry run.
        secrecy: see ``trust_model_of``.
        noises: what other noise would cost; empty for an exact answer.
    """
    # exchanging the session's keys is one more exchange; the answer share goes to the analyst
    rounds = cost.rounds + KEY_ROUNDS + ANSWER_ROUNDS
    n_bytes = (plan.context.n_sites - 1) * KEY_BYTES + cost.bytes_sent + plan.answer_bytes
    shape = explain(plan, rounds=rounds, bytes_per_party=n_bytes)
    shape["dealer"] = {"needed": secrecy.trust == "dealer", "bytes": cost.dealer_bytes}
    text = explain_text(plan, rounds=rounds, bytes_per_party=n_bytes)
    return _with_secrecy(*_with_noises(text, shape, noises), secrecy)


def explain_named(
    plan: StatisticPlan, cost: Cost, secrecy: TrustModel, noises: Sequence[Mapping[str, str]] = ()
) -> Explanation:
    """Explain a statistic's plan and its trust model; rounds and bytes are those of its longest run; arguments as above."""
    rounds = cost.rounds + KEY_ROUNDS + ANSWER_ROUNDS
    n_bytes = (plan.context.n_sites - 1) * KEY_BYTES + cost.bytes_sent + ELEMENT_BYTES * plan.most_sent
    shape = explain_statistic(plan, rounds=rounds, bytes_per_party=n_bytes)
    shape["dealer"] = {"needed": secrecy.trust == "dealer", "bytes": cost.dealer_bytes}
    text = explain_statistic_text(plan, rounds=rounds, bytes_per_party=n_bytes)
    return _with_secrecy(*_with_noises(text, shape, noises), secrecy)


def explain_miner(plan: MiningPlan, secrecy: TrustModel) -> Explanation:
    """Explain a mining plan; the length of a run depends on the bits that it opens."""
    return _with_secrecy(explain_mining_text(plan), explain_mining(plan), secrecy)


def explain_private_miner(plan: PrivateMiningPlan, secrecy: TrustModel) -> Explanation:
    """Explain a private mining plan."""
    from analytics.mining.private.explain import explain_private, explain_private_text

    return _with_secrecy(explain_private_text(plan), explain_private(plan), secrecy)


def with_requirements(explained: Explanation, requirements: Sequence[str]) -> Explanation:
    """Add what the agreement requires of the data before this work; nothing where it requires nothing.

    Args:
        explained: of the work.
        requirements: in their own form.
    """
    if not requirements:
        return explained
    line = (
        f"the agreement requires of the data first: {'; '.join(requirements)}; decided by a release of quality with an "
        "epsilon and for_sites, charged for itself; a site's own policy may require more (crossward preflight)"
    )
    shape = {**explained.shape, "requires": list(requirements)}
    return Explanation(text=f"{explained.text}\n{line}", shape=shape)


def explain_linkage(plan: LinkPlan, secrecy: TrustModel) -> Explanation:
    """Explain a linkage and its trust model."""
    return _with_secrecy(explain_link_text(plan), explain_link(plan), secrecy)


def _with_noises(
    text: str, shape: Mapping[str, Any], noises: Sequence[Mapping[str, str]]
) -> tuple[str, Mapping[str, Any]]:
    if not noises:
        return text, shape
    lines = ["noise that could be asked for (--mechanism), of the budget as it was founded:"]
    lines += [f"    {line}" for line in alternatives_text(noises)]
    return "\n".join([text, *lines]), {**shape, "alternatives": [dict(row) for row in noises]}


def _with_secrecy(text: str, shape: Mapping[str, Any], secrecy: TrustModel) -> Explanation:
    return Explanation(text=f"{text}\n{secrecy.text}", shape={**shape, "secrecy": secrecy.to_dict()})
