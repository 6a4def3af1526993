"""A FHIRPath expression as a tree.

Layer:       analytics.sources.formats.fhir.path, beside tokens.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the expression, or a constant's; ``kind`` is one of ``types``."""

    at: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class This:
    """The item that the expression is asked of."""

    at: int


@dataclass(frozen=True, slots=True)
class Member:
    """An element of each item, by its name."""

    at: int
    base: Path
    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """The item at a place, from 0."""

    at: int
    base: Path
    place: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function of a collection."""

    at: int
    base: Path
    name: str
    arguments: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two expressions."""

    at: int
    sign: str
    left: Path
    right: Path


Path = Literal | This | Member | Index | Call | Binary
