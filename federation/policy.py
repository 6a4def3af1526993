"""What one site allows: its own rules on top of the consortium's agreement.

Floor:    federation.policy. Pure: decides from the request, the plan and counters of the ledger.
Promise:  a refusal names the rule and its limit, costs nothing, and depends on no row (P19 ii).
Not here: the budget (``privacy_accounting.budget``), the guard on shares (``analytics.guard``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.mining.plan import MiningPlan
from federation.errors import PolicyRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.plan import Plan
    from federation.messages import Request
    from federation.site_file import Policy


def check(
    request: Request,
    plan: Plan | MiningPlan,
    policy: Policy,
    *,
    site: str,
    n_exact_before: int,
    is_exact_ready: bool,
) -> None:
    """Refuse what this site's policy does not allow.

    Args:
        request: what is asked.
        plan: what this site derived from it.
        policy: this site's rules.
        site: this site's name.
        n_exact_before: exact disclosures of this analyst in the ledger so far.
        is_exact_ready: False when the table holds more rows than ``rows_max`` (P5): exact answers would be wrong.

    Raises:
        PolicyRefusedError: with the rule and its limit.
    """
    rule = _people(request, policy)
    if rule is None:
        rule = _nested(plan, policy) or (
            _exact(plan, policy, n_exact_before, is_exact_ready)
            if request.mode == "exact"
            else _private(request, policy)
        )
    if rule is not None:
        raise PolicyRefusedError(site=site, rule=rule)


def check_training(
    request: Request,
    policy: Policy,
    *,
    site: str,
    n_exact_before: int,
    is_exact_ready: bool,
    n_rounds: int,
    members: Sequence[str],
) -> None:
    """Refuse a training that this site's policy does not allow; arguments and errors as ``check``.

    Args:
        request: what is asked.
        policy: this site's rules.
        site: this site's name.
        n_exact_before: as ``check``.
        is_exact_ready: as ``check``.
        n_rounds: rounds that are about to be charged: each without noise is an exact disclosure.
        members: the sites that are members now.
    """
    rule = _people(request, policy)
    if rule is None and request.mode != "exact":
        rule = _private(request, policy)
    elif rule is None:
        rule = (
            _exact_use(policy, n_exact_before, is_exact_ready)
            or _exact_training(policy, members)
            or _exact_rounds(policy, n_exact_before, n_rounds)
        )
    if rule is not None:
        raise PolicyRefusedError(site=site, rule=rule)


def _people(request: Request, policy: Policy) -> str | None:
    if policy.analysts is not None and request.analyst not in policy.analysts:
        return f"policy.analysts: {request.analyst} may not ask here"
    if policy.purposes is not None and request.purpose not in policy.purposes:
        return f"policy.purposes: {request.purpose} is none of {', '.join(policy.purposes)}"
    return None


def _nested(plan: Plan | MiningPlan, policy: Policy) -> str | None:
    if isinstance(plan, MiningPlan) and plan.nested_supports == "allow" and policy.nested_supports != "allow":
        return "policy.nested_supports: supports of nested itemsets that differ by less than the minimum cell stay closed"
    return None


def _private(request: Request, policy: Policy) -> str | None:
    limit = policy.largest_epsilon
    if limit is not None and (request.epsilon is None or request.epsilon > limit):
        return f"policy.largest_epsilon: at most {float(limit):g} for one request"
    return None


def _exact(plan: Plan | MiningPlan, policy: Policy, n_exact_before: int, is_exact_ready: bool) -> str | None:
    if policy.exact and plan.context.minimum_cell < policy.minimum_cell:
        return f"policy.minimum_cell: at least {policy.minimum_cell}, the consortium's is {plan.context.minimum_cell}"
    return _exact_use(policy, n_exact_before, is_exact_ready)


def _exact_training(policy: Policy, members: Sequence[str]) -> str | None:
    if policy.exact_training == "guarded":
        return 'policy.exact_training: "guarded" waits for guards of fits, which are not built yet; ask with an epsilon'
    if policy.exact_training != "unguarded":
        return "policy.exact_training: this site trains with noise only, also where it gives exact answers; ask with an epsilon"
    if sorted(policy.exact_training_members or ()) != sorted(members):
        return (
            f"policy.exact_training_members: must name exactly the members, which are {', '.join(sorted(members))}: "
            "training without noise is opened for these sites together"
        )
    return None


def _exact_rounds(policy: Policy, n_exact_before: int, n_rounds: int) -> str | None:
    left = policy.exact_requests_per_analyst - n_exact_before
    if n_rounds > left:
        return f"policy.exact_requests_per_analyst: {left} are left, and each of {n_rounds} rounds without noise is one"
    return None


def _exact_use(policy: Policy, n_exact_before: int, is_exact_ready: bool) -> str | None:
    if not policy.exact:
        return "policy.exact: this site gives private answers only; ask with an epsilon"
    if n_exact_before >= policy.exact_requests_per_analyst:
        return f"policy.exact_requests_per_analyst: {policy.exact_requests_per_analyst} are used up"
    if not is_exact_ready:
        return "rows_max: the table holds more rows than agreed, so an exact answer would not be exact"
    return None
