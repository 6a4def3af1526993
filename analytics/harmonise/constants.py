"""Constants that all sites share: from released figures to the keys of a mapping.

Layer:       analytics.harmonise.constants, above mapping.
Terms:       a *fit* is what a constant is for: median and mean (in the place of missing values), iqr and z_fences (limits of a
             range), z_score and min_max (a scale).
Guarantees:  a constant is made of released figures and of the schema alone, and is written with its basis. Quantiles are
             declared bins: the middle of the bin stands for the quantile. Every constant is a multiple of the column's
             resolution, but a scale, which has six digits more.
See instead: the releases and their price (``federation.client.fitting``).
Source:      ours. Fences: Tukey, Exploratory Data Analysis (1977), 1.5 interquartile ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import tomlkit

from analytics.errors import InvalidRequestError
from analytics.schema.numbers import format_decimal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.harmonise.mapping import MappingFile
    from analytics.schema import NumericColumn

QUANTILES: Final = (0.25, 0.5, 0.75)
FITS: Final[Mapping[str, str]] = {  # what each needs
    "median": "quantiles",
    "iqr": "quantiles",
    "mean": "moments",
    "z_fences": "moments",
    "z_score": "moments",
    "min_max": "",
}
_TUKEY: Final = Fraction(3, 2)
_DEVIATIONS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Released figures of one column.

    Attributes:
        quartiles: middles of the bins of the three quartiles; empty where they were not asked for.
        mean: None where it was not asked for.
        deviation: None where it was not asked for.
        basis: where they are from, in words.
    """

    quartiles: tuple[Fraction, ...] = ()
    mean: Fraction | None = None
    deviation: Fraction | None = None
    basis: str = ""


def needs_of(column: NumericColumn, fits: Sequence[str]) -> set[str]:
    """What has to be released for the fits of a column.

    Raises:
        InvalidRequestError: there is no such fit, two fits give the same key, or the column has no bins for quantiles.
    """
    unknown = [fit for fit in fits if fit not in FITS]
    if unknown or not fits:
        reason = f"gets fits by name; a fit is one of {', '.join(FITS)}"
        raise InvalidRequestError(parameter=column.name, reason=reason)
    for one, other in (("median", "mean"), ("iqr", "z_fences"), ("z_score", "min_max")):
        if one in fits and other in fits:
            raise InvalidRequestError(parameter=column.name, reason=f"{one} and {other} give the same key")
    needs = {FITS[fit] for fit in fits} - {""}
    if "quantiles" in needs and not column.bins:
        reason = "quantiles need declared bins: declare them in the schema, or take mean and z_fences"
        raise InvalidRequestError(parameter=column.name, reason=reason)
    return needs


def constants_of(column: NumericColumn, fits: Sequence[str], found: Released) -> dict[str, dict[str, str]]:
    """The keys of each fit.

    Args:
        column: of the schema.
        fits: as ``needs_of`` accepts them.
        found: what was released.

    Returns:
        ``missing``, ``range`` and ``scale``, as far as they are asked for, with their keys.
    """
    made: dict[str, dict[str, str]] = {}
    step = column.resolution
    basis = {"basis": found.basis} if found.basis else {}
    for fit in fits:
        if fit in {"median", "mean"}:
            value = found.quartiles[1] if fit == "median" else _known(found.mean)
            made["missing"] = {"rule": "constant", "value": _text(_clamped(value, column), step)} | basis
        elif fit in {"iqr", "z_fences"}:
            low, high = _fences(fit, found)
            made["range"] = {"low": _text(low, step), "high": _text(high, step)} | basis
        else:
            centre, scale = (
                (column.lower, column.upper - column.lower)
                if fit == "min_max"
                else (_known(found.mean), _known(found.deviation))
            )
            fine = step / 10**6
            least = max(scale, fine)
            origin = {"basis": "the schema's bounds"} if fit == "min_max" else basis
            made["scale"] = {"centre": _text(centre, fine), "scale": _text(least, fine)} | origin
    return made


def _known(value: Fraction | None) -> Fraction:
    return Fraction(0) if value is None else value


def _clamped(value: Fraction, column: NumericColumn) -> Fraction:
    return min(max(value, column.lower), column.upper)


def _fences(fit: str, found: Released) -> tuple[Fraction, Fraction]:
    if fit == "iqr":
        low, _, high = found.quartiles
        return low - _TUKEY * (high - low), high + _TUKEY * (high - low)
    mean, deviation = _known(found.mean), _known(found.deviation)
    return mean - _DEVIATIONS * deviation, mean + _DEVIATIONS * deviation


def _text(value: Fraction, step: Fraction) -> str:
    """The nearest multiple of the step, as a decimal."""
    return format_decimal(round(value / step) * step)


def written(text: str, constants: Mapping[str, Mapping[str, Mapping[str, str]]]) -> str:
    """A mapping's text with the constants in it; everything else stays, comments too.

    Args:
        text: of the mapping; empty for a new one.
        constants: by column, as ``constants_of`` gives them. The column is the one of the mapping's block ``table``.

    Returns:
        The new text.
    """
    document = tomlkit.parse(text)
    block = _table(document, "table")
    for name, made in constants.items():
        for part, keys in made.items():
            if part == "range":
                own = _ranged(block, name).setdefault("range", tomlkit.inline_table())
            else:
                own = _table(_table(block, part), name)
            for key, value in keys.items():
                own[key] = tomlkit.float_(value) if key in {"low", "high", "centre", "scale"} else value
    return tomlkit.dumps(document)


def check_mapping_takes(file: MappingFile, fits: Mapping[str, Sequence[str]]) -> None:
    """Refuse fits whose keys a mapping has no place for; before anything is released.

    Args:
        file: the mapping.
        fits: by column.

    Raises:
        InvalidRequestError: a range is for a column that is neither a number of the block ``table`` nor derived there.
    """
    for name, own in fits.items():
        rule = file.table.columns.get(name)
        is_number = rule is not None and rule.type == "number"
        if {"iqr", "z_fences"}.intersection(own) and not is_number and name not in file.table.derive:
            reason = 'a range needs a column of the mapping with type = "number", or a derived one'
            raise InvalidRequestError(parameter=name, reason=reason)


def _ranged(block: Any, name: str) -> Any:
    """The column that a range belongs to: a derived one where there is one of this name."""
    derived = block.get("derive", {})
    if name not in derived:
        return _table(_table(block, "columns"), name)
    if isinstance(derived[name], str):
        whole = tomlkit.inline_table()
        whole["expression"] = str(derived[name])
        derived[name] = whole
    return derived[name]


def _table(parent: Any, name: str) -> Any:
    """A table of a document; made where there is none."""
    if name not in parent:
        parent[name] = tomlkit.table(is_super_table=True)
    return parent[name]
