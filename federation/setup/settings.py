"""Settings of a consortium, before its files are written.

Layer:       federation.setup.settings, the lowest module of this package. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSetup:
    """The source of a table's rows.

    Attributes:
        source: a file of any kind that sources have, read in place, never copied; or the address of a server.
        view: one SELECT over ``source``.
        table: the table in a database, the sheet in a workbook.
        format: further keys of the site file: how the file is written, or how the server is reached.
    """

    source: Path | str
    view: str = "SELECT * FROM source"
    table: str | None = None
    format: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSetup:
    """One site's own choices.

    Attributes:
        tables: for each table of the schema its file, and the view over it.
        policy: the site's rules; see ``federation.consortium.consortium_file.Policy``.
        engine: what adds and multiplies shares there: crypten or numpy.
    """

    tables: Mapping[str, TableSetup]
    policy: Mapping[str, Any] = field(default_factory=dict)
    engine: str = "crypten"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsortiumSettings:
    """The members' settings.

    Attributes:
        name: of the consortium.
        budgets: by population, the shape of ``federation.consortium.consortium_file.Budget``.
        schema: TOML text with the ``[tables.NAME]`` sections.
        colluding: sites that may pool what they know.
        relation: neighboring relation.
        delta: decimal string.
        minimum_cell: fewest privacy units behind an exact figure.
        deadline_s: when a silent party counts as lost (s).
        local_limit_s: longest local scan (s).
        helpers: roles besides sites: dealer, aggregator, keyholder.
        analysts: who may ask.
        key_type: of the key holder's Paillier key: full-exponent, or short-exponent (docs/adr/0028).
        three_sites: these compute without a dealer: two evaluate, the last deals; empty where a dealer helps.
    """

    name: str
    budgets: Mapping[str, Mapping[str, Any]]
    schema: str
    colluding: int = 1
    relation: str = "add_or_remove_one"
    delta: str = "0.000001"
    minimum_cell: int = 10
    deadline_s: int | str = 30
    local_limit_s: int | str = 20
    helpers: Sequence[str] = ("dealer", "aggregator", "keyholder")
    analysts: Sequence[str] = ("analyst",)
    key_type: str = "full-exponent"
    three_sites: Sequence[str] = ()
