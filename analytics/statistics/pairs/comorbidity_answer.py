"""The answer of ``comorbidity``: odds ratios of pairs of items, and the network that they make.

Layer:       analytics.statistics.pairs above signal_measures and pair_answer.
Guarantees:  all that is shown follows from the opened counts; a closed pair is no edge, which says nothing of its people.
Source:      C. Hidalgo et al., PLoS Computational Biology 5(4), 2009 (networks of diseases; phi and relative risk).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from analytics.errors import InvalidRequestError
from analytics.pictures import Network
from analytics.statistics.pairs.pair_answer import PairAnswer, Row, is_within, number, with_adjusted
from analytics.statistics.pairs.signal_measures import chi_square, expected_count, odds_ratio, p_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import networkx as nx

    from analytics.statistics.pairs.noisy_pairs import NoisyPair

NAMES: Final = ("first", "second")
MEASURES: Final = (
    "count",
    "first_count",
    "second_count",
    "odds_ratio",
    "odds_ratio_low",
    "odds_ratio_high",
    "relative_risk",
    "phi",
    "chi_square",
    "p_value",
    "p_adjusted",
)
LEVEL: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class ComorbidityAnswer(PairAnswer):
    """Pairs of items, those of the largest odds ratio first.

    Attributes:
        item_counts: people who have each item; None where that is closed.
    """

    names: ClassVar = NAMES
    measures: ClassVar = MEASURES
    item_counts: Mapping[str, float | None]

    def graph(self, p_adjusted: float = LEVEL) -> nx.Graph:
        """The network: a node for each item with an open count, an edge for each pair whose people are more than by chance.

        Args:
            p_adjusted: the largest adjusted p-value of an edge.

        Returns:
            Nodes with ``count``, edges with the pair's measures and ``weight``, the logarithm of the odds ratio.

        Raises:
            InvalidRequestError: networkx is not installed.
        """
        found = _networkx().Graph()
        for name, count in self.item_counts.items():
            if count is not None:
                found.add_node(name, count=count)
        for row in self._edges(p_adjusted):
            measures = {name: row[name] for name in MEASURES if row[name] is not None}
            found.add_edge(row["first"], row["second"], weight=_weight(row), **measures)
        return found

    def to_graphml(self, path: str | Path, p_adjusted: float = LEVEL) -> None:
        """Write the network to a GraphML file, which Cytoscape, Gephi and igraph read.

        Args:
            path: of the file, which is replaced.
            p_adjusted: as for ``graph``.

        Raises:
            InvalidRequestError: networkx is not installed.
        """
        _networkx().write_graphml_xml(self.graph(p_adjusted), str(path))

    def values(self) -> dict[str, object]:
        """See ``Answer``."""
        return {
            "n_people": self.n_people,
            "n_pairs": self.n_pairs,
            "n_closed": self.n_closed,
            "noise_sd": self.noise_sd,
            "item_counts": dict(self.item_counts),
            "pairs": [dict(row) for row in self.rows],
        }

    def picture(self) -> Network | None:
        """The network of pairs whose people are more than by chance."""
        edges = self._edges(LEVEL)
        nodes = [name for name, count in self.item_counts.items() if count is not None]
        if not nodes:
            return None
        places = {name: place for place, name in enumerate(nodes)}
        return Network(
            labels=nodes,
            sizes=[float(self.item_counts[name] or 0) for name in nodes],
            edges=[(places[str(row["first"])], places[str(row["second"])], _weight(row)) for row in edges],
            edge_name="logarithm of the odds ratio",
        )

    def _edges(self, p_adjusted: float) -> list[Row]:
        limits = {"p_adjusted": p_adjusted, "odds_ratio": 1.0}
        return [row for row in self.rows if is_within(row, limits)]


def _networkx() -> Any:
    try:
        import networkx as nx
    except ImportError as error:
        reason = "needs networkx, which is not installed: pip install 'crossward[graphs]'"
        raise InvalidRequestError(parameter="graph", reason=reason) from error
    return nx


def comorbidity_rows(
    names: Sequence[tuple[str, str]], cells: Sequence[tuple[int, int, int, int]]
) -> tuple[Row, ...]:
    """The measures of open pairs.

    Args:
        names: both items of each.
        cells: of each the people with both, the first alone, the second alone, neither.

    Returns:
        By falling odds ratio, then by names.
    """
    rows: list[Row] = []
    for (first, second), (a, b, c, d) in zip(names, cells, strict=True):
        statistic, (middle, low, high) = chi_square(a, b, c, d), odds_ratio(a, b, c, d)
        n_people = a + b + c + d
        expected = expected_count(a, b, c, d) if n_people else 0.0
        sign = 1 if a * d >= b * c else -1
        rows.append(
            {
                "first": first,
                "second": second,
                "count": a,
                "first_count": a + b,
                "second_count": a + c,
                "odds_ratio": middle,
                "odds_ratio_low": low,
                "odds_ratio_high": high,
                "relative_risk": a / expected if expected else None,
                "phi": None if statistic is None else sign * math.sqrt(statistic / n_people),
                "chi_square": statistic,
                "p_value": None if statistic is None else p_value(statistic),
            }
        )
    return tuple(sorted(with_adjusted(rows), key=_order))


def noisy_comorbidity_rows(names: Sequence[tuple[str, str]], pairs: Sequence[NoisyPair]) -> tuple[Row, ...]:
    """The measures of pairs of a private release that the noise leaves any to.

    Args:
        names: both items of each.
        pairs: their measures.

    Returns:
        As ``comorbidity_rows``, without a chi-square.
    """
    rows: list[Row] = []
    for (first, second), pair in zip(names, pairs, strict=True):
        if pair.p_value is None:
            continue
        a, b, c, d = pair.cells
        middle, low, high = pair.odds_ratio
        spread = math.sqrt((a + b) * (c + d) * (a + c) * (b + d))
        rows.append(
            {
                "first": first,
                "second": second,
                "count": a,
                "first_count": a + b,
                "second_count": a + c,
                "odds_ratio": middle,
                "odds_ratio_low": low,
                "odds_ratio_high": high,
                "relative_risk": a / expected_count(a, b, c, d),
                "phi": (a * d - b * c) / spread,
                "chi_square": None,
                "p_value": pair.p_value,
            }
        )
    return tuple(sorted(with_adjusted(rows), key=_order))


def _weight(row: Row) -> float:
    return math.log(number(row["odds_ratio"]) or 1.0)


def _order(row: Row) -> tuple[float, str, str]:
    return -(number(row["odds_ratio"]) or 0.0), str(row["first"]), str(row["second"])
