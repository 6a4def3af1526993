"""UCUM codes as exact numbers: a factor to base units, what is measured, and the annotation.

Layer:       analytics.harmonise.units.unit_codes, the lowest of harmonise.
Terms:       a *dimension* is a tuple of base unit and exponent; mole, equivalent and international units are base units of
             their own, so that a mass never becomes an amount without an analyte. An *offset* belongs to temperatures.
Guarantees:  factors are exact fractions; no unit registry computes with floats. Annotations are kept and compared:
             ``mL/min/{1.73_m2}`` is not ``mL/min``. A code that means something surprising (``mL/min/1.73.m2`` is
             per 73 square metres times 1) is refused with what to write.
See instead: which units an analyte can have (``analytes``).
Source:      UCUM 2.1, tables of base and derived units; the grammar is ucumvert's, which is imported for codes that
             ``data/units.csv`` does not hold.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Dimension = tuple[tuple[str, int], ...]
_LITRE: Final = Fraction(1, 1000)
_F: Final = Fraction
PREFIXES: Final[Mapping[str, Fraction]] = {
    "Y": _F(10**24),
    "Z": _F(10**21),
    "E": _F(10**18),
    "P": _F(10**15),
    "T": _F(10**12),
    "G": _F(10**9),
    "M": _F(10**6),
    "k": _F(1000),
    "h": _F(100),
    "da": _F(10),
    "d": _F(1, 10),
    "c": _F(1, 100),
    "m": _F(1, 1000),
    "u": _F(1, 10**6),
    "n": _F(1, 10**9),
    "p": _F(1, 10**12),
    "f": _F(1, 10**15),
    "a": _F(1, 10**18),
    "z": _F(1, 10**21),
    "y": _F(1, 10**24),
}
# base: metre, gram, second, kelvin, mole, equivalent, osmole, international unit, enzyme unit
ATOMS: Final[Mapping[str, tuple[Fraction, Mapping[str, int]]]] = {
    "m": (_F(1), {"m": 1}),
    "g": (_F(1), {"g": 1}),
    "s": (_F(1), {"s": 1}),
    "K": (_F(1), {"K": 1}),
    "mol": (_F(1), {"mol": 1}),
    "eq": (_F(1), {"eq": 1}),
    "osm": (_F(1), {"osm": 1}),
    "[IU]": (_F(1), {"[IU]": 1}),
    "[iU]": (_F(1), {"[IU]": 1}),
    "[arb'U]": (_F(1), {"[arb'U]": 1}),
    "U": (_F(1, 60 * 10**6), {"mol": 1, "s": -1}),
    "kat": (_F(1), {"mol": 1, "s": -1}),
    "L": (_LITRE, {"m": 3}),
    "l": (_LITRE, {"m": 3}),
    "t": (_F(10**6), {"g": 1}),
    "min": (_F(60), {"s": 1}),
    "h": (_F(3600), {"s": 1}),
    "d": (_F(86400), {"s": 1}),
    "wk": (_F(7 * 86400), {"s": 1}),
    "a": (_F(31557600), {"s": 1}),
    "mo": (_F(31557600, 12), {"s": 1}),
    "Hz": (_F(1), {"s": -1}),
    "Pa": (_F(1000), {"g": 1, "m": -1, "s": -2}),
    "bar": (_F(10**8), {"g": 1, "m": -1, "s": -2}),
    "m[Hg]": (_F(133322000), {"g": 1, "m": -1, "s": -2}),
    "m[H2O]": (_F(980665, 10**5) * 10**6, {"g": 1, "m": -1, "s": -2}),
    "[in_i]": (_F(254, 10**4), {"m": 1}),
    "[ft_i]": (_F(3048, 10**4), {"m": 1}),
    "[lb_av]": (_F(45359237, 10**5), {"g": 1}),
    "[oz_av]": (_F(45359237, 16 * 10**5), {"g": 1}),
    "cal": (_F(4184), {"g": 1, "m": 2, "s": -2}),
    "[Cal]": (_F(4184000), {"g": 1, "m": 2, "s": -2}),
    "J": (_F(1000), {"g": 1, "m": 2, "s": -2}),
    "%": (_F(1, 100), {}),
    "[ppth]": (_F(1, 1000), {}),
    "[ppm]": (_F(1, 10**6), {}),
    "10*": (_F(10), {}),
    "10^": (_F(10), {}),
    "g%": (_F(10**4), {"g": 1, "m": -3}),
    "Cel": (_F(1), {"K": 1}),
    "[degF]": (_F(5, 9), {"K": 1}),
}
_OFFSETS: Final = {"Cel": _F(27315, 100), "[degF]": _F(45967, 100)}  # added to the number before the factor
_SURPRISING: Final = (
    (re.compile(r"1\.73"), "write the body surface as an annotation: mL/min/{1.73_m2}"),
    (re.compile(r"^G/[lL]$"), "G is gauss: write 10*9/L"),
    (re.compile(r"^[KT]/[uµ]?[lL]$"), "K is kelvin and T tesla: write 10*3/uL or 10*12/L"),
    (re.compile(r"^pH$"), "pH is a picohenry: write [pH] without a unit, or leave the unit out"),
    (re.compile("[µμ]"), "UCUM writes u for micro"),
)
_ANNOTATION: Final = re.compile(r"\{([^{}]*)\}")
_PER_ANNOTATION: Final = re.compile(r"/\{[^{}]*\}")
_MOST: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit: ``base value = (number + offset) x factor``.

    Attributes:
        code: as it was written.
        factor: to base units.
        offset: of a temperature, else 0.
        dimension: base units with their exponents, sorted.
        annotation: what stood in braces, in order, joined by a comma.
    """

    code: str
    factor: Fraction
    offset: Fraction
    dimension: Dimension
    annotation: str


def parse_unit(code: str) -> Unit:
    """Read a UCUM code.

    Args:
        code: case-sensitive, such as ``mg/dL``.

    Returns:
        The unit.

    Raises:
        ValueError: it is no UCUM code, uses a unit that is not known here, or does not mean what it seems to.
    """
    if not code or len(code) > _MOST or not code.isprintable():
        message = "a unit has 1 to 60 printable characters"
        raise ValueError(message)
    for pattern, advice in _SURPRISING:
        if pattern.search(_ANNOTATION.sub("", code)):
            message = f"{code}: {advice}"
            raise ValueError(message)
    annotation = ",".join(_ANNOTATION.findall(code))
    plain = _ANNOTATION.sub("", _PER_ANNOTATION.sub("", code)) or "1"
    if plain == "1" or plain.startswith("/"):
        known = _one() if plain == "1" else _parsed("1" + plain)
    else:
        known = known_units().get(plain) or _parsed(plain)
    factor, offset, dimension = known
    return Unit(code=code, factor=factor, offset=offset, dimension=dimension, annotation=annotation)


def _one() -> tuple[Fraction, Fraction, Dimension]:
    return Fraction(1), Fraction(0), ()


@cache
def known_units() -> Mapping[str, tuple[Fraction, Fraction, Dimension]]:
    """The units of ``data/units.csv``: factor, offset and dimension by code."""
    text = resources.files("analytics.harmonise").joinpath("data/units.csv").read_text("utf-8")
    return {
        row["code"]: (Fraction(row["factor"]), Fraction(row["offset"]), read_dimension(row["dimension"]))
        for row in csv.DictReader(io.StringIO(text))
    }


def read_dimension(text: str) -> Dimension:
    """A dimension as ``write_dimension`` writes it."""
    pairs = (part.rpartition("^") for part in text.split())
    return tuple((name, int(exponent)) for name, _, exponent in pairs)


def write_dimension(dimension: Dimension) -> str:
    """A dimension as text, such as ``g^1 m^-3``."""
    return " ".join(f"{name}^{exponent}" for name, exponent in dimension)


@cache
def _parser() -> Any:
    try:
        from ucumvert import get_ucum_parser
    except ImportError:
        return None
    return get_ucum_parser()


@cache
def _parsed(code: str) -> tuple[Fraction, Fraction, Dimension]:
    parser = _parser()
    if parser is None:
        message = f"{code}: this unit needs the UCUM parser: pip install 'crossward[harmonise]'"
        raise ValueError(message)
    try:
        tree = parser.parse(code)
    except Exception as error:  # the parser's own classes are not worth naming
        message = f"{code} is no UCUM code"
        raise ValueError(message) from error
    atoms = [str(token) for token in tree.scan_values(lambda _: True)]
    if any(atom in _OFFSETS for atom in atoms):
        if len(atoms) != 1:
            message = f"{code}: a temperature in a larger unit is a difference of temperatures: write K"
            raise ValueError(message)
        factor, dimension = ATOMS[atoms[0]]
        return factor, _OFFSETS[atoms[0]], tuple(dimension.items())
    factor, powers = _value(tree, code)
    return factor, Fraction(0), tuple(sorted((name, power) for name, power in powers.items() if power))


def _value(node: Any, code: str) -> tuple[Fraction, dict[str, int]]:
    """Factor and powers of a part of the parsed code."""
    if not hasattr(node, "children"):
        return _atom([node], code)
    children = [child for child in node.children if getattr(child, "type", "") != "ANNOTATION"]
    if node.data == "simple_unit":
        return _atom(children, code)
    if node.data == "annotatable" and len(children) == 2 and children[1].type == "EXPONENT":  # noqa: PLR2004
        factor, powers = _value(children[0], code)
        exponent = int(children[1])
        return factor**exponent, {name: power * exponent for name, power in powers.items()}
    if len(children) == 1:
        return _value(children[0], code)
    is_inverse = getattr(children[0], "type", "") == "DIVIDE"
    if is_inverse:
        children = [None, *children]
    first = (Fraction(1), {}) if children[0] is None else _value(children[0], code)
    if len(children) != 3:  # noqa: PLR2004  left, operator, right
        message = f"{code}: this form of a unit is not read here"
        raise ValueError(message)
    factor, powers = _value(children[2], code)
    sign = -1 if str(children[1]) == "/" else 1
    joined = dict(first[1])
    for name, power in powers.items():
        joined[name] = joined.get(name, 0) + sign * power
    return first[0] * factor**sign, joined


def _atom(tokens: list[Any], code: str) -> tuple[Fraction, dict[str, int]]:
    """A unit with or without its prefix, or a whole number."""
    prefix = Fraction(1)
    for token in tokens[:-1]:
        prefix *= PREFIXES.get(str(token), Fraction(0))
    last = tokens[-1]
    if last.type == "FACTOR":
        return Fraction(int(last)), {}
    known = ATOMS.get(str(last))
    if known is None or not prefix:
        message = f"{code}: the unit {last} is not known here"
        raise ValueError(message)
    return prefix * known[0], dict(known[1])
