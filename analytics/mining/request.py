"""A mining request of an analyst.

Layer:       analytics.mining beside items.
Guarantees:  a request that exists is within its public limits; ``MiningRequest.from_dict(r.to_dict()) == r``, with
             numbers as strict decimal strings.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, get_args

from analytics.errors import InvalidRequestError
from analytics.mining.items import MAX_ITEMS
from analytics.plans.context import check_decimal
from privacy_accounting.decimals import format_decimal, parse_decimal
from privacy_accounting.errors import AccountingError

if TYPE_CHECKING:
    from collections.abc import Mapping

NestedSupports = Literal["guard", "allow"]
Basket = Literal["row", "unit"]
MAX_CANDIDATES = 100_000
DEFAULT_CANDIDATES = 20_000
_KEYS = frozenset(
    {
        "table",
        "items",
        "min_support",
        "min_confidence",
        "max_len",
        "max_candidates",
        "nested_supports",
        "basket",
        "max_items_per_unit",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningRequest:
    """One mining run.

    Attributes:
        table: the table's name.
        items: the items as written.
        min_support: smallest share of the rows, above 0 and at most 1.
        min_confidence: smallest confidence of a rule, above 0 and at most 1.
        max_len: most items of an itemset; None: as far as the candidates' cap allows.
        max_candidates: most itemsets that are counted in the whole run.
        nested_supports: guard closes an itemset that has fewer rows than the minimum cell in some cell of its full
            cube; allow opens it, where every site's policy says so.
        max_items_per_unit: of private mining: items that a basket keeps at a site, the others are left out by a keyed hash; None:
            as many as the schema allows.
        basket: what holds items: a row, or a privacy unit with all its rows at a site, which counts once there.
    """

    table: str
    items: tuple[str, ...]
    min_support: Fraction
    min_confidence: Fraction
    max_len: int | None = None
    max_candidates: int = DEFAULT_CANDIDATES
    nested_supports: NestedSupports = "guard"
    basket: Basket = "row"
    max_items_per_unit: int | None = None

    def __post_init__(self) -> None:
        if len(self.items) > MAX_ITEMS:
            reason = f"must be at most {MAX_ITEMS}, not {len(self.items)}"
            raise InvalidRequestError(parameter="items", reason=reason)
        _check_share("min_support", self.min_support)
        _check_share("min_confidence", self.min_confidence)
        if self.max_len is not None:
            _check_whole("max_len", self.max_len, MAX_CANDIDATES)
        _check_whole("max_candidates", self.max_candidates, MAX_CANDIDATES)
        _check_nested(self.nested_supports)
        _check_basket(self.basket)
        if self.max_items_per_unit is not None:
            _check_whole("max_items_per_unit", self.max_items_per_unit, MAX_ITEMS)

    def to_dict(self) -> dict[str, object]:
        """Plain form for messages: lists, integers, decimal strings."""
        return {
            "table": self.table,
            "items": list(self.items),
            "min_support": format_decimal(self.min_support),
            "min_confidence": format_decimal(self.min_confidence),
            "max_len": self.max_len,
            "max_candidates": self.max_candidates,
            "nested_supports": self.nested_supports,
            **({} if self.basket == "row" else {"basket": self.basket}),
            **({} if self.max_items_per_unit is None else {"max_items_per_unit": self.max_items_per_unit}),
        }

    @classmethod
    def from_dict(cls, mapping: Mapping[str, object]) -> MiningRequest:
        """Read the plain form strictly.

        Args:
            mapping: what ``to_dict`` makes; what has a default may be left out.

        Returns:
            The request.

        Raises:
            InvalidRequestError: a key is missing or unknown, or a value is not allowed.
        """
        unknown = sorted(str(key)[:80] for key in mapping.keys() - _KEYS)
        if unknown:
            raise InvalidRequestError(parameter=unknown[0], reason="is not a known parameter")
        for key in ("table", "items", "min_support", "min_confidence"):
            if key not in mapping:
                raise InvalidRequestError(parameter=key, reason="is missing")
        table, items, max_len = mapping["table"], mapping["items"], mapping.get("max_len")
        held = mapping.get("max_items_per_unit")
        most = mapping.get("max_candidates", DEFAULT_CANDIDATES)
        if not isinstance(table, str):
            raise InvalidRequestError(parameter="table", reason="must be a text")
        if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
            raise InvalidRequestError(parameter="items", reason="must be a list of texts")
        return cls(
            table=table,
            items=tuple(items),
            min_support=_read_share("min_support", mapping["min_support"]),
            min_confidence=_read_share("min_confidence", mapping["min_confidence"]),
            max_len=None if max_len is None else _check_whole("max_len", max_len, MAX_CANDIDATES),
            max_candidates=_check_whole("max_candidates", most, MAX_CANDIDATES),
            nested_supports=_check_nested(mapping.get("nested_supports", "guard")),
            basket=_check_basket(mapping.get("basket", "row")),
            max_items_per_unit=None if held is None else _check_whole("max_items_per_unit", held, MAX_ITEMS),
        )


def _read_share(parameter: str, value: object) -> Fraction:
    if not isinstance(value, str):
        raise InvalidRequestError(parameter=parameter, reason="must be a decimal string")
    try:
        return parse_decimal(value, what=parameter)
    except AccountingError as error:
        raise InvalidRequestError(
            parameter=parameter, reason="must be a plain decimal string such as 0.2"
        ) from error


def _check_share(parameter: str, value: object) -> None:
    if not isinstance(value, Fraction):
        raise InvalidRequestError(parameter=parameter, reason="must be a fraction")
    if not 0 < value <= 1:
        raise InvalidRequestError(parameter=parameter, reason="must be above 0 and at most 1")
    check_decimal(parameter, value)


def _check_whole(parameter: str, value: object, largest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= largest:
        raise InvalidRequestError(parameter=parameter, reason=f"must be a whole number from 1 to {largest}")
    return value


def _check_nested(value: object) -> NestedSupports:
    for mode in get_args(NestedSupports):
        if value == mode:
            return mode  # type: ignore[no-any-return]  # get_args forgets the types
    raise InvalidRequestError(parameter="nested_supports", reason="must be guard or allow")


def _check_basket(value: object) -> Basket:
    for basket in get_args(Basket):
        if value == basket:
            return basket  # type: ignore[no-any-return]  # get_args forgets the types
    raise InvalidRequestError(parameter="basket", reason="must be row or unit")
