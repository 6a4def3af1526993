"""A site's tables opened without their rows, as its next start and its coming run will open them.

Layer:       federation.node.preflight.source_checks, below service and site_process.
Guarantees:  no row is read and nothing is kept; what a check finds is the same whatever the rows are. The site's files are
             read as they are now: its mappings and code lists too.
See instead: the steps (``analytics.sources.dry_opening``), an opening with its rows (``site_process``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.errors import AnalyticsError, MappingError
from analytics.schema.data_faults import MAPPING, SOURCE
from analytics.sources.dry_opening import OpeningFault, opening_faults, public_faults
from analytics.sources.formats import FORMATS
from analytics.sources.formats.contents import state_of
from federation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from analytics.schema import Table
    from analytics.sources import LocalTable
    from analytics.sources.spec import SourceSpec

    SpecOf = Callable[[], SourceSpec]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSource:
    """The faults of one source.

    Attributes:
        own: all, for the site's administrator.
        public: those whose codes and columns may leave the site.
    """

    own: tuple[OpeningFault, ...] = ()
    public: tuple[OpeningFault, ...] = ()


class SourceChecks:
    """The sources of one site, by table. A table that a frame of this process holds has none, and no fault."""

    def __init__(self, specs: Mapping[str, SpecOf]) -> None:
        """Remember the state of every file, as the node has just read it.

        Args:
            specs: by table, what reads the site's own file and mapping; each may raise ``ConfigError``.
        """
        self._specs = dict(specs)
        self._states = {name: _state(spec_of) for name, spec_of in self._specs.items()}

    def faults(self, table: Table, scan: Callable[[LocalTable], object]) -> CheckedSource:
        """Open a table's source without its rows.

        Args:
            table: of the schema in force.
            scan: what the coming run does with the table.
        """
        spec_of = self._specs.get(table.name)
        if spec_of is None:
            return CheckedSource()
        try:
            spec = spec_of()
        except (ConfigError, MappingError) as error:
            found = tuple(OpeningFault(code=MAPPING, reason=mistake) for mistake in error.mistakes)
            return CheckedSource(own=found, public=found[:1])
        except AnalyticsError as error:
            found = (OpeningFault(code=SOURCE, reason=str(error)),)
            return CheckedSource(own=found, public=found)
        return CheckedSource(
            own=opening_faults(spec, table, scan=scan), public=public_faults(spec, table, scan=scan)
        )

    def has_changed(self, table: str) -> bool:
        """Whether a table's files were written since the node read them; for the site's administrator."""
        spec_of = self._specs.get(table)
        return spec_of is not None and _state(spec_of) != self._states[table]


def _state(spec_of: SpecOf) -> object:
    """What the file system says of a source's files; None where it cannot be told, or they are in a server."""
    try:
        spec = spec_of()
        return None if spec.server is not None else state_of(FORMATS[spec.kind].files(spec.path))
    except (OSError, AnalyticsError, ConfigError):
        return None
