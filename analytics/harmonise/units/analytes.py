"""What a laboratory measures: which units an analyte can have, and its exact ratio of mass to amount.

Layer:       analytics.harmonise.units.analytes, above unit_codes.
Guarantees:  two units are converted only where what they measure is equal, or where the analyte's molar mass or valence
             joins them; an annotation is no part of a conversion: units with different ones are refused. The result is an
             exact affine map with fractions.
See instead: its SQL (``conversions``).
Source:      ``data/analytes.csv``, which names a source for every row.
"""

from __future__ import annotations

import csv
import difflib
import io
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

from analytics.harmonise.units.unit_codes import Dimension, Unit, parse_unit, read_dimension

if TYPE_CHECKING:
    from collections.abc import Mapping

DIMENSIONS: Final[Mapping[str, Dimension]] = {
    name: read_dimension(text)
    for name, text in {
        "mass_concentration": "g^1 m^-3",
        "amount_concentration": "m^-3 mol^1",
        "equivalents": "eq^1 m^-3",
        "international_units": "[IU]^1 m^-3",
        "catalytic_concentration": "m^-3 mol^1 s^-1",
        "number_concentration": "m^-3",
        "fraction": "",
        "volume_rate": "m^3 s^-1",
        "temperature": "K^1",
        "pressure": "g^1 m^-1 s^-2",
        "mass": "g^1",
        "length": "m^1",
    }.items()
}
_MASS, _AMOUNT, _EQUIVALENTS = (
    DIMENSIONS[name] for name in ("mass_concentration", "amount_concentration", "equivalents")
)
_HBA1C: Final = {"%": (Fraction(1), Fraction(0)), "mmol/mol": (Fraction(9148, 100_000), Fraction(2152, 1000))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyte:
    """One analyte.

    Attributes:
        name: as mappings write it.
        title: what it is.
        dimensions: what its units can measure.
        molar_mass: grams a mole; None where mass and amount are not joined.
        valence: equivalents a mole; None where there are none.
        annotation: that each of its units must carry.
        source: where the numbers are from.
    """

    name: str
    title: str
    dimensions: tuple[str, ...]
    molar_mass: Fraction | None
    valence: Fraction | None
    annotation: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """``target = factor x number + shift``, exactly."""

    factor: Fraction
    shift: Fraction

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return self.factor == 1 and not self.shift


@cache
def analytes() -> Mapping[str, Analyte]:
    """The table, by name."""
    text = resources.files("analytics.harmonise").joinpath("data/analytes.csv").read_text("utf-8")
    return {
        row["name"]: Analyte(
            name=row["name"],
            title=row["title"],
            dimensions=tuple(row["dimensions"].split()),
            molar_mass=Fraction(row["molar_mass"]) if row["molar_mass"] else None,
            valence=Fraction(row["valence"]) if row["valence"] else None,
            annotation=row["annotation"],
            source=row["source"],
        )
        for row in csv.DictReader(io.StringIO(text))
    }


def find_analyte(name: str) -> Analyte:
    """The analyte of a name.

    Raises:
        ValueError: there is none; with the nearest names.
    """
    found = analytes().get(name)
    if found is None:
        near = difflib.get_close_matches(name, analytes(), n=3)
        message = f"there is no analyte {name}" + (f"; nearest: {', '.join(near)}" if near else "")
        raise ValueError(message)
    return found


def conversion(source: str, target: str, analyte: str | None) -> Conversion:
    """The map from one unit to another.

    Args:
        source: the file's unit, UCUM.
        target: the schema's unit, UCUM.
        analyte: its name in the table; None where both units measure the same.

    Returns:
        The exact map.

    Raises:
        ValueError: one is no unit, the analyte cannot have it, or the two do not measure the same.
    """
    own = find_analyte(analyte) if analyte is not None else None
    if own is not None and own.dimensions == ("hba1c",):
        return _hba1c(source, target)
    one, other = parse_unit(source), parse_unit(target)
    if own is not None:
        for unit in (one, other):
            _check_unit(unit, own)
    if one.annotation != other.annotation:
        message = f"{source} and {target} carry different annotations: they do not measure the same"
        raise ValueError(message)
    per_source, per_target = one.factor, other.factor
    if one.dimension != other.dimension:
        per_source *= _to_amount(one, own, source, target)
        per_target *= _to_amount(other, own, source, target)
    factor = per_source / per_target
    return Conversion(factor=factor, shift=one.offset * factor - other.offset)


def _check_unit(unit: Unit, own: Analyte) -> None:
    expected = [DIMENSIONS[name] for name in own.dimensions]
    if unit.dimension not in expected:
        message = f"{unit.code} is no unit of {own.name}, which has {' or '.join(own.dimensions)}"
        raise ValueError(message)
    if own.annotation and unit.annotation != own.annotation:
        message = f"a unit of {own.name} carries the annotation {{{own.annotation}}}: {unit.code} does not"
        raise ValueError(message)


def _to_amount(unit: Unit, own: Analyte | None, source: str, target: str) -> Fraction:
    """What a number in a mass or in equivalents is multiplied by to be an amount."""
    if own is None or unit.dimension not in {_MASS, _AMOUNT, _EQUIVALENTS}:
        need = "" if own is not None else "; between mass and amount name the analyte"
        message = f"{source} cannot be converted to {target}: they do not measure the same{need}"
        raise ValueError(message)
    if unit.dimension == _AMOUNT:
        return Fraction(1)
    divisor = own.molar_mass if unit.dimension == _MASS else own.valence
    if divisor is None:
        message = f"{source} cannot be converted to {target}: the table has no such number for {own.name}"
        raise ValueError(message)
    return 1 / divisor


def _hba1c(source: str, target: str) -> Conversion:
    for unit in (source, target):
        if unit not in _HBA1C:
            message = f"{unit} is no unit of hba1c: write % (NGSP) or mmol/mol (IFCC)"
            raise ValueError(message)
    slope, intercept = _HBA1C[source]
    own_slope, own_intercept = _HBA1C[target]
    return Conversion(factor=slope / own_slope, shift=(intercept - own_intercept) / own_slope)
