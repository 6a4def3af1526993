"""One table of a session: statistics by their names, and mining, with Python arguments.

Layer:       federation.client.table, beside session. A convenience wrapper; it can do nothing that a request cannot.
"""

from __future__ import annotations

import difflib
from functools import partial
from typing import TYPE_CHECKING, Protocol

from analytics.errors import InvalidRequestError
from analytics.linkage.request import PAIR, Learns, LinkRequest
from analytics.mining.private.result import check_private
from analytics.mining.request import DEFAULT_CANDIDATES, Basket, MiningRequest, NestedSupports
from analytics.mining.result import Keep, check_choice, check_limits, chosen
from analytics.statistics.other_names import PART_OF, REFUSED
from analytics.statistics.profiles.requirements import STATISTIC
from analytics.statistics.registry import STATISTICS
from federation.client.arguments import epsilon_or_exact, exact_number, names_of
from federation.client.linking.linked_table import LinkedTable
from federation.client.questions.gate import checked
from federation.client.schema_view import SchemaView

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from analytics.linkage.result import LinkResult
    from analytics.mining.result import MiningResult
    from analytics.statistics.base import Answer
    from analytics.statistics.profiles.quality_answer import QualityAnswer
    from federation.consortium.consortium_file import Consortium
    from federation.requests.explanation import Explanation

FREQUENT_ONLY = 1


class Miner(Protocol):
    """The part of a session that a table needs."""

    consortium: Consortium

    def mine(self, request: MiningRequest, *, epsilon: object, purpose: str) -> MiningResult:
        """Mine; see ``federation.client.session``."""
        ...

    def link(self, request: LinkRequest, *, purpose: str) -> LinkResult:
        """Link; see ``federation.client.session``."""
        ...

    def statistic_by_columns(
        self, name: str, *arguments: object, table: str, at: Mapping[str, str], **options: object
    ) -> Answer:
        """Compute a table by columns; see ``federation.client.linking.links``."""
        ...

    def explain_by_columns(
        self, name: str, *arguments: object, table: str, at: Mapping[str, str], **options: object
    ) -> Explanation:
        """Explain one; see ``federation.client.linking.links``."""
        ...

    def statistic(self, name: str, *arguments: object, table: str, **options: object) -> Answer:
        """Compute a statistic; see ``federation.client.session``."""
        ...

    def explain_statistic(self, name: str, *arguments: object, table: str, **options: object) -> Explanation:
        """Explain a statistic; see ``federation.client.session``."""
        ...


class TableView:
    """One table, asked through its session."""

    def __init__(self, session: Miner, name: str) -> None:
        """Name a table, or leave the name out where the schema has one; see ``Session.table``."""
        tables = session.consortium.schema.tables
        name = name or (next(iter(tables)) if len(tables) == 1 else "")
        if session.consortium.schema.table(name) is None:
            known = ", ".join(tables)
            raise InvalidRequestError(
                parameter="table", reason=f"is not one of this consortium, which has {known}"
            )
        self._session, self.name = session, name

    def __getattr__(self, statistic: str) -> Callable[..., Answer]:
        """Return a statistic of the registry as a method: its own arguments, ``epsilon`` or ``exact``, ``purpose``.

        A call of one that the register refuses says why, and of another name of the field where it is given.
        """
        if statistic not in (*STATISTICS, *REFUSED, *PART_OF):
            near = difflib.get_close_matches(statistic, STATISTICS, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(STATISTICS))}"
            raise AttributeError(f"a table has no statistic {statistic}{hint}", name=statistic, obj=self)
        return partial(self._session.statistic, statistic, table=self.name)

    def __repr__(self) -> str:
        """Return the table's columns and facts."""
        return repr(self._columns())

    def _repr_html_(self) -> str:
        return self._columns()._repr_html_()

    def _columns(self) -> SchemaView:
        schema = self._session.consortium.schema
        return SchemaView(
            {name: table for name, table in schema.tables.items() if table is schema.table(self.name)}
        )

    def __dir__(self) -> list[str]:
        """Return the statistics' names too."""
        return sorted({*super().__dir__(), *STATISTICS})

    def explain(self, statistic: str, *arguments: object, **options: object) -> Explanation:
        """Return plan, recipients and price of a statistic; nothing is spent.

        Args:
            statistic: its name.
            *arguments: as for the statistic itself.
            **options: likewise.

        Raises:
            InvalidRequestError, PlanRejectedError: it cannot be computed.
        """
        return self._session.explain_statistic(statistic, *arguments, table=self.name, **options)

    def require(
        self, require: object, *, earlier: QualityAnswer | None = None, **options: object
    ) -> QualityAnswer:
        """Go on only where the data of all sites are shown to be good enough: write it before a question or a training.

        Visible to: the analyst sees completeness and validity of the columns that it names.
        Cost: ``epsilon`` of the query budget, or an exact disclosure; nothing with ``earlier``.

        Args:
            require: ``"completeness(ca) >= 0.6"``, ``"validity(age) >= 0.99"``, or a list of such texts.
            earlier: an answer of ``quality`` over these columns that was released before.
            **options: ``epsilon`` or ``exact``, ``purpose``, as for ``quality``.

        Returns:
            The answer that shows it, for the next call's ``earlier``.

        Raises:
            InvalidRequestError: a requirement has another form.
            RequirementNotMetError: the released figures do not show one, with 95 % confidence.
        """
        return checked(
            require,
            lambda columns: self._session.statistic(STATISTIC, columns, table=self.name, **options),
            earlier,
        )

    def association_rules(  # noqa: PLR0913
        self,
        items: Sequence[str],
        *,
        min_support: object,
        min_confidence: object,
        max_len: int | None = None,
        max_candidates: int = DEFAULT_CANDIDATES,
        nested_supports: NestedSupports = "guard",
        basket: Basket = "row",
        thresholds: Mapping[str, float] | None = None,
        max_items_per_unit: int | None = None,
        epsilon: object = None,
        exact: bool = False,
        purpose: str = "analysis",
    ) -> MiningResult:
        """Find rules between items over all sites.

        Visible to: the analyst sees the supports of frequent itemsets; every site sees one bit for each candidate.
        Cost: one exact disclosure, or ``epsilon`` of the mining budget.

        Args:
            items: as ``sex=M``, ``age>=60``, ``disease``, ``not disease``, ``dx=*``, ``dx under I20-I25``; over the
                table's exact dimensions.
            min_support: smallest share of the rows, above 0 and at most 1.
            min_confidence: smallest confidence of a rule.
            max_len: most items of an itemset.
            max_candidates: most itemsets that are counted in the whole run, at most 100,000.
            nested_supports: ``guard`` closes itemsets with a small cell; ``allow`` where every site's policy says so.
            basket: ``row``, or ``unit`` where a person has several rows: what any of them holds; a person counts once
                at a site.
            thresholds: on measures of the rules, as ``MiningResult.where`` has them.
            max_items_per_unit: of a private run: items that a basket keeps at its site, by a keyed hash; needed where a
                unit has several rows.
            epsilon: of a private run, from the mining budget; ``nested_supports`` and ``max_candidates`` have no meaning there.
            exact: True for an exact disclosure; else ``epsilon`` is needed.
            purpose: written to the ledger.

        Returns:
            A frame of rules (``.frame``, ``.rules``) and of itemsets (``.itemsets``), with mlxtend's column names.

        Raises:
            InvalidRequestError, PlanRejectedError, PolicyRefusedError: as ``Session.mine``.
        """
        price = epsilon_or_exact(epsilon, exact=exact)
        check_limits(thresholds or {})
        if price is not None:
            check_private(thresholds or {})
        request = MiningRequest(
            table=self.name,
            items=names_of("items", items),
            min_support=exact_number("min_support", min_support),
            min_confidence=exact_number("min_confidence", min_confidence),
            max_len=max_len,
            max_candidates=max_candidates,
            nested_supports=nested_supports,
            basket=basket,
            max_items_per_unit=max_items_per_unit,
        )
        return self._session.mine(request, epsilon=price, purpose=purpose).where(**(thresholds or {}))

    def frequent_itemsets(  # noqa: PLR0913
        self,
        items: Sequence[str],
        *,
        min_support: object,
        max_len: int | None = None,
        max_candidates: int = DEFAULT_CANDIDATES,
        nested_supports: NestedSupports = "guard",
        basket: Basket = "row",
        keep: Keep = "all",
        max_support: float | None = None,
        max_items_per_unit: int | None = None,
        epsilon: object = None,
        exact: bool = False,
        purpose: str = "analysis",
    ) -> MiningResult:
        """Find frequent itemsets over all sites; other arguments and errors as ``association_rules``.

        Args:
            items: as for ``association_rules``.
            min_support: smallest share of the rows.
            max_len: most items of an itemset.
            max_candidates: as for ``association_rules``.
            nested_supports: as for ``association_rules``.
            basket: as for ``association_rules``.
            keep: ``all`` open itemsets, ``closed`` (no superset of the same support) or ``maximal`` ones (no superset).
            max_support: largest share of the rows, for rare patterns; None: no limit.
            max_items_per_unit: as for ``association_rules``.
            epsilon: as for ``association_rules``.
            exact: as for ``association_rules``.
            purpose: written to the ledger.

        Returns:
            A frame of itemsets (``.frame``, ``.itemsets``).
        """
        check_choice(keep, max_support)
        if keep == "closed" and epsilon is not None:
            raise InvalidRequestError(parameter="keep", reason="must be all or maximal for private itemsets")
        found = self.association_rules(
            items,
            min_support=min_support,
            min_confidence=FREQUENT_ONLY,
            max_len=max_len,
            max_candidates=max_candidates,
            nested_supports=nested_supports,
            basket=basket,
            max_items_per_unit=max_items_per_unit,
            epsilon=epsilon,
            exact=exact,
            purpose=purpose,
        )
        return chosen(found, keep, max_support)

    def linked(self, at: Mapping[str, str]) -> LinkedTable:
        """Return this table's linked patients, with one column from each of two sites.

        Args:
            at: for each of the two columns the site that holds it, such as ``{"diabetes": "north", "statin": "registry"}``.
        """
        return LinkedTable(self._session, self.name, at)

    def link(
        self,
        sites: Sequence[str],
        *,
        learns: Learns = "rows",
        exact: bool = False,
        purpose: str = "analysis",
    ) -> LinkResult:
        """Have two sites find which patients of this table they share.

        Visible to: each of the two sites learns which of its own patients the other has (``rows``) or how many (``count``); the
        analyst learns how many, where that reaches the minimum cell.
        Cost: one exact disclosure to both sites; once for a pair, table and declared version.

        Args:
            sites: the two.
            learns: ``rows`` or ``count``.
            exact: must be True: a linkage has no noise.
            purpose: written to the ledger.

        Raises:
            InvalidRequestError, PolicyRefusedError: as ``Session.link``.
        """
        if not exact:
            raise InvalidRequestError(parameter="exact", reason="must be True: a linkage has no noise")
        named = names_of("sites", sites)
        if len(named) != PAIR:
            raise InvalidRequestError(parameter="sites", reason="must name two different sites")
        request = LinkRequest(table=self.name, sites=(named[0], named[1]), learns=learns)
        return self._session.link(request, purpose=purpose)
