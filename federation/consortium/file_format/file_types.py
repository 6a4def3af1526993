"""The types of the values in the files of a consortium: names, addresses, numbers, hashes.

Layer:       federation.consortium.file_format.file_types, below consortium_file. Pure.
Guarantees:  a value that a type accepts is exact: a number is a fraction, and is never read from a float's digits.
See instead: the files (``consortium_file``, ``site_file``).
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

MAX_NAME = 63
NAME = re.compile(rf"[a-z][a-z0-9_-]{{0,{MAX_NAME - 1}}}")


def _number(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal | Fraction):
        msg = "must be a number such as 0.5, or a decimal string"
        raise ValueError(msg)  # noqa: TRY004
    if isinstance(value, str) and not re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", value):
        msg = "must be a plain decimal number without spaces or exponent"
        raise ValueError(msg)
    try:
        return Fraction(str(value))
    except (ValueError, ArithmeticError) as error:
        msg = "must be a finite number"
        raise ValueError(msg) from error


def name_mistake(value: str) -> str | None:
    """Return the rule for names that a member's name breaks, if any."""
    if len(value) > MAX_NAME:
        return f"must be at most {MAX_NAME} characters long, not {len(value)}"
    if not NAME.fullmatch(value):
        return "must start with a letter and hold only a-z, 0-9, _ and -"
    return None


def _name(value: str) -> str:
    mistake = name_mistake(value)
    if mistake is not None:
        raise ValueError(mistake)
    return value


def address_mistake(value: str) -> str | None:
    """Return the rule for addresses that an address breaks, if any."""
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:  # noqa: PLR2004
        return "must be HOST:PORT"
    return None


def _address(value: str) -> str:
    mistake = address_mistake(value)
    if mistake is not None:
        raise ValueError(mistake)
    return value


def _quality_rules(rules: dict[str, list[str]]) -> dict[str, list[str]]:
    from analytics.errors import InvalidRequestError
    from analytics.statistics.profiles.requirements import read_requirements

    for texts in rules.values():
        try:
            read_requirements(list(texts))
        except InvalidRequestError as error:
            raise ValueError(error.reason) from None
    return rules


Number = Annotated[Fraction, BeforeValidator(_number)]
Name = Annotated[str, AfterValidator(_name)]
Address = Annotated[str, AfterValidator(_address)]
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(gt=0, le=1)]
QualityRules = Annotated[dict[str, list[str]], AfterValidator(_quality_rules)]


class Model(BaseModel):
    """Base of all parts of the files: frozen, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
