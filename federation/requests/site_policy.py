"""One site's policy: its own rules on top of the consortium's agreement.

Layer:       federation.requests.site_policy. Pure: decides from the request, the plan and counters of the ledger.
Guarantees:  a refusal names the rule and its limit, costs nothing, and depends on no row (P19 ii).
See instead: the budget (``privacy_accounting.budget``), the guard on shares (``analytics.disclosure.minimum_cell``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.statistics.profiles.requirements import joined_rules, rule_mistakes
from federation.errors import ConfigError, PolicyRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.sources import LocalTable
    from federation.consortium.consortium_model import Floor
    from federation.consortium.site_file import Policy
    from federation.protocol.request import Request
    from federation.requests.kinds.base import PolicyFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactSoFar:
    """The counts against the limits on exact answers, from the ledger and from signed entries that are not complete.

    Attributes:
        requests: of one analyst about the population.
        numbers: opened about the population, of all analysts.
    """

    requests: int
    numbers: int


NOTHING_EXACT: Final = ExactSoFar(requests=0, numbers=0)


def at_least(floor: Floor | None, policy: Policy) -> Policy:
    """Give a site's policy with the floor of the agreement under it: the stricter of both, key by key.

    Args:
        floor: of the agreement in force; None asks for nothing.
        policy: this site's own.
    """
    if floor is None:
        return policy
    trainings = (False, "guarded", "unguarded")
    update: dict[str, object] = {
        "exact": policy.exact and floor.exact,
        "site_results": policy.site_results and floor.site_results,
        "exact_training": min(policy.exact_training, floor.exact_training, key=trainings.index),
    }
    for key in ("exact_requests_per_analyst", "exact_numbers_per_population", "largest_epsilon"):
        limits = [limit for limit in (getattr(policy, key), getattr(floor, key)) if limit is not None]
        update[key] = min(limits, default=None)
    update["require"] = joined_rules(floor.require, policy.require)
    return policy.model_copy(update=update)


def check(
    request: Request,
    facts: PolicyFacts,
    policy: Policy,
    *,
    site: str,
    exact: ExactSoFar,
) -> None:
    """Refuse what this site's policy does not allow.

    Args:
        request: what is asked.
        facts: of the work that this site derived.
        policy: this site's rules.
        site: this site's name.
        exact: exact disclosures so far, complete or not.

    Raises:
        PolicyRefusedError: with the rule and its limit.
    """
    rule = _people(request, policy)
    if rule is None:
        rule = (
            _linkage(facts, policy, site)
            or _vertical(facts, policy, site)
            or _nested(facts, policy)
            or (_exact(facts, policy, exact) if request.mode == "exact" else _private(request, policy))
        )
    if rule is not None:
        raise PolicyRefusedError(site=site, rule=rule)


def check_training(
    request: Request,
    policy: Policy,
    *,
    site: str,
    exact: ExactSoFar,
    numbers: int,
    n_rounds: int,
    members: Sequence[str],
) -> None:
    """Refuse a training that this site's policy does not allow; arguments and errors as ``check``.

    Args:
        request: what is asked.
        policy: this site's rules.
        site: this site's name.
        exact: as ``check``.
        numbers: numbers that the rounds open.
        n_rounds: rounds of the next charges; each round without noise is an exact disclosure.
        members: the present members.
    """
    rule = _people(request, policy)
    if rule is None and request.mode != "exact":
        rule = _private(request, policy)
    elif rule is None:
        rule = (
            _exact_use(policy, exact, numbers)
            or _exact_training(policy, members)
            or _exact_rounds(policy, exact.requests, n_rounds)
        )
    if rule is not None:
        raise PolicyRefusedError(site=site, rule=rule)


def check_tables(policy: Policy, sources: Mapping[str, LocalTable], *, site: str) -> None:
    """Refuse a table beyond ``rows_max`` at the start, to the administrator; no request may reveal it.

    Args:
        policy: this site's rules.
        sources: its tables, by name.
        site: its name.

    Raises:
        ConfigError: exact answers are allowed over a table that holds more rows than was agreed, or a requirement on
            quality names a table or a column that there is not.
    """
    declared = {name: source.table for name, source in sources.items()}
    mistakes = [f"{site}: {each}" for each in rule_mistakes(policy.require, declared, "policy.require")]
    if mistakes:
        raise ConfigError(mistakes=mistakes)
    large = [name for name, source in sources.items() if not source.report.exact_allowed]
    if policy.exact and large:
        hint = "raise rows_max in the consortium file, or set policy.exact = false"
        raise ConfigError(
            mistakes=[
                f"{site}: table {name} holds more rows than its rows_max, so no answer could be exact: {hint}"
                for name in large
            ]
        )


def _people(request: Request, policy: Policy) -> str | None:
    if policy.analysts is not None and request.analyst not in policy.analysts:
        return f"policy.analysts: {request.analyst} may not ask here"
    if policy.purposes is not None and request.purpose not in policy.purposes:
        return f"policy.purposes: {request.purpose} is none of {', '.join(policy.purposes)}"
    return None


def _linkage(facts: PolicyFacts, policy: Policy, site: str) -> str | None:
    """Each of the two sites names the other: it may learn which of this site's patients are its own."""
    if site not in facts.linked:
        return None
    others = [name for name in facts.linked if name != site and name not in policy.linkage]
    return (
        f"policy.linkage: this site does not name {others[0]} as one that may learn which patients they share"
        if others
        else None
    )


def _vertical(facts: PolicyFacts, policy: Policy, site: str) -> str | None:
    """Two sites alone stand behind a table by columns, so both have to permit it."""
    if site in facts.by_columns and not policy.exact_vertical:
        return "policy.exact_vertical: this site gives no exact figure of its columns beside those of one other site"
    return None


def _nested(facts: PolicyFacts, policy: Policy) -> str | None:
    if facts.opens_nested_supports and policy.nested_supports != "allow":
        return "policy.nested_supports: supports of nested itemsets that differ by less than the minimum cell stay closed"
    return None


def _private(request: Request, policy: Policy) -> str | None:
    limit = policy.largest_epsilon
    if limit is not None and (request.epsilon is None or request.epsilon > limit):
        return f"policy.largest_epsilon: at most {float(limit):g} for one request"
    return None


def _exact(facts: PolicyFacts, policy: Policy, exact: ExactSoFar) -> str | None:
    if policy.exact and facts.minimum_cell < policy.minimum_cell:
        return (
            f"policy.minimum_cell: at least {policy.minimum_cell}, the consortium's is {facts.minimum_cell}"
        )
    return _exact_use(policy, exact, facts.numbers) or _site_results(facts, policy)


def _site_results(facts: PolicyFacts, policy: Policy) -> str | None:
    """Every site checks its own: where one does not consent no row opens, so none follows from the pooled figure."""
    if facts.opens_site_results and not policy.site_results:
        return "policy.site_results: this site gives no exact figure about itself alone"
    return None


def _exact_training(policy: Policy, members: Sequence[str]) -> str | None:
    if policy.exact_training == "guarded":
        return 'policy.exact_training: "guarded" is refused, since guards of trainings are not built yet; ask with an epsilon'
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


def _exact_use(policy: Policy, exact: ExactSoFar, numbers: int) -> str | None:
    if not policy.exact:
        return "policy.exact: this site gives private answers only; ask with an epsilon"
    if exact.requests >= policy.exact_requests_per_analyst:
        return f"policy.exact_requests_per_analyst: {policy.exact_requests_per_analyst} are used up"
    most = policy.exact_numbers_per_population
    if exact.numbers + numbers > most:
        return (
            f"policy.exact_numbers_per_population: at most {most} over all analysts, {exact.numbers} are opened or "
            f"promised, and this asks for up to {numbers} more"
        )
    return None
