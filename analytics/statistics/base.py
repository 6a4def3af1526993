"""The interface of a statistic: what a site contributes, what happens on shares, what is opened, and the estimate.

Layer:       analytics.statistics above noise_law and arguments; below every statistic that is asked by name.
Terms:       a statistic is *bound* to a table, arguments and a mode. A *step* is one contribution of every site and
             one opening, to the analyst or to all sites; what is opened to all sites is the public *state* of the next
             step.
Guarantees:  every check of the arguments is made when it is bound, so before a charge. Sites, analyst and dry run go
             through the same steps. A statistic opens nothing itself: ``analytics.disclosure.release`` does.
See instead: plans, noise and prices (``analytics.plans.statistic_plan``), aggregates of SQL (aggregate), counts over
             groups (counts).
Source:      ours.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.parquet import write_parquet
from analytics.pictures import Picture, draw
from analytics.statistics.closed import closed_text
from analytics.text_tables import as_block, as_html, as_latex, cell_text
from smpc.operations.comparison import at_least

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

    from analytics.schema import Table
    from analytics.sql.query import BoundQuery
    from analytics.statistics.arguments import Arguments, Parameter
    from analytics.statistics.blocks import BlockSpec, JointNorm
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

Mode = Literal["private", "exact"]
Receiver = Literal["analyst", "sites"]
Ints = npt.NDArray[np.int64]
S = TypeVar("S")
BOTH: frozenset[Mode] = frozenset({"private", "exact"})
EXACT: frozenset[Mode] = frozenset({"exact"})
PRIVATE: frozenset[Mode] = frozenset({"private"})
MINIMUM_CELL = "minimum_cell"
_LISTS = (list, tuple, dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The public numbers that guards and bounds depend on.

    Attributes:
        n_sites: sites that compute.
        sites_per_unit: sites at which one unit may have rows.
        minimum_cell: fewest privacy units behind a figure; 0 for no guard.
        rows_max: most rows of one site.
    """

    n_sites: int
    sites_per_unit: int
    minimum_cell: int
    rows_max: int

    @property
    def threshold(self) -> int:
        """What guarded counts must reach: units are counted at every site, so minimum cell times sites per unit."""
        return self.minimum_cell * self.sites_per_unit

    def reached(self, session: Session, counts: Shared, thresholds: Sequence[int] = ()) -> Shared:
        """Compare counts of units with the threshold.

        Visible to: no party.
        Cost: one batch of comparisons.

        Args:
            session: of all sites, with a dealer or three that compute.
            counts: shape ``(n,)``.
            thresholds: one for each count; empty: the limits' own for all.

        Returns:
            Shares of 1 where the count reaches it, else 0; shape ``(n,)``.
        """
        least = np.array(thresholds or [self.threshold], dtype=np.int64)
        width = max(self.n_sites * self.rows_max, int(least.max())).bit_length() + 1
        return at_least(session, counts, np.broadcast_to(least, counts.shape).copy(), width)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One contribution of every site, and one opening.

    Attributes:
        name: for people who read a plan.
        to: who receives what is opened.
        clamps: each of a site's integers lies between minus and plus this.
        local: this site's integers, from what it scanned; runs at the site alone.
        n_own: the last so many integers of ``local`` are about this site alone: in the sum each site has places of its own
            for them, in the order of the sites, where all others add zero.
        joint: what happens on shares: from the sum over all sites, shape ``(len(clamps),)``, to what is opened.
        n_values: numbers that are opened.
        n_flags: bits that are opened after them; each is 0 or 1.
        has_products: whether ``joint`` compares or multiplies.
    """

    name: str
    to: Receiver
    clamps: tuple[int, ...]
    local: Callable[[Ints], Ints]
    joint: Callable[[Session, Shared], Shared]
    n_values: int
    n_flags: int = 0
    n_own: int = 0
    has_products: bool = False

    def placed(self, own: Ints, rank: int) -> Ints:
        """Put a site's integers in their places of the sum.

        Args:
            own: what ``local`` returned.
            rank: of the site.

        Returns:
            Shape ``(len(clamps),)``; where ``n_own`` is 0, as they came.
        """
        if not self.n_own:
            return own
        n_common = own.size - self.n_own
        placed = np.zeros(len(self.clamps), dtype=np.int64)
        placed[:n_common] = own[:n_common]
        start = n_common + rank * self.n_own
        placed[start : start + self.n_own] = own[n_common:]
        return placed

    @property
    def n_opened(self) -> int:
        """Integers of one opening."""
        return self.n_values + self.n_flags

    def to_dict(self) -> dict[str, object]:
        """Canonical form."""
        return {
            "name": self.name,
            "opened_to": self.to,
            "figures": len(self.clamps),
            "largest": max(self.clamps, default=0),
            "values": self.n_values,
            "flags": self.n_flags,
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class Answer(ABC):
    """The answer of a statistic; subclasses add its fields. Printed, its own fields without cost and receipt.

    Attributes:
        closed: why it has no value: ``minimum_cell`` where the guard closed it, another code where it is undefined;
            empty for an answer with values.
        cost: what was charged.
        receipt: the ledger's receipt.
    """

    closed: str = ""
    cost: Mapping[str, object] = field(default_factory=dict)
    receipt: Mapping[str, object] = field(default_factory=dict)

    def __init_subclass__(cls) -> None:
        """Keep the short form in every subclass: a dataclass would write a long one of its own."""
        super().__init_subclass__()
        cls.__repr__ = Answer.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        """Shape and price in one line."""
        figures = f"closed: {self.closed}" if self.closed else ", ".join(map(_field, self.values().items()))
        return f"<{type(self).__name__}: {figures}; {self._price()}>"

    def _repr_html_(self) -> str:
        if self.closed:
            return as_block(f"{closed_text(self.closed)}\n{self._price()}")
        names, rows = self.cells()
        return as_html(names, rows, [*self.lines(), self._price()])

    def cells(self) -> tuple[list[str], list[list[object]]]:
        """Names and rows of ``frame``, labels of the rows included; None where there is no value."""
        import pandas as pd

        frame = self.frame
        if not isinstance(frame.index, pd.RangeIndex):
            frame = frame.reset_index(names="" if frame.index.name is None else None)
        rows = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
        return [str(name) for name in frame.columns], rows

    def to_latex(self) -> str:
        """Return ``frame`` as a LaTeX ``tabular``, its texts escaped; six digits of a number."""
        return as_latex(*self.cells())

    def to_json(self) -> str:
        """Return ``to_dict`` as JSON text; a number that is not finite is null."""
        return json.dumps(_finite(self.to_dict()), allow_nan=False, default=str)

    def to_parquet(self, path: str | Path) -> None:
        """Write ``frame`` to a Parquet file, its row labels as columns; missing values are NULL.

        Args:
            path: of the file, which is replaced.

        Raises:
            InvalidRequestError: the file cannot be written.
        """
        names, _ = self.cells()
        frame = self.frame
        whole = frame if len(names) == len(frame.columns) else frame.reset_index()
        whole.columns = [str(name) for name in whole.columns]
        try:
            write_parquet(whole, path)
        except OSError as error:
            reason = "must be a file that can be written"
            raise InvalidRequestError(parameter="path", reason=reason) from error

    def lines(self) -> list[str]:
        """The answer's single figures, one a line; lists are left to ``frame``. Why it is closed, where it is."""
        if self.closed:
            return [closed_text(self.closed)]
        single = {name: value for name, value in self.values().items() if not isinstance(value, _LISTS)}
        return [f"{name}: {cell_text(value)}" for name, value in single.items()]

    def _price(self) -> str:
        epsilon = self.cost.get("epsilon")
        return "an exact disclosure" if epsilon is None else f"epsilon {epsilon}"

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the answer with matplotlib, which ``crossward[plots]`` installs.

        Args:
            axes: where; by default in a new figure, which is ``.figure`` of what is returned.

        Raises:
            InvalidRequestError: the answer is closed, has no picture, or matplotlib is not installed.
        """
        shown = None if self.closed else self.picture()
        if shown is None:
            why = closed_text(self.closed) if self.closed else "frame has its figures"
            raise InvalidRequestError(parameter="plot", reason=f"has nothing to draw: {why}")
        return draw(shown, axes)

    def named(self, sites: Sequence[str]) -> Answer:
        """Return the answer with the sites' names at its figures about single sites; itself where it has none.

        Args:
            sites: in the order of their ranks.
        """
        del sites
        return self

    def picture(self) -> Picture | None:
        """What ``plot`` shows, as plain data; None where there is no picture."""
        return None

    @property
    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """The answer as a pandas frame."""

    @abstractmethod
    def values(self) -> dict[str, object]:
        """The statistic's own fields as plain data."""

    def to_dict(self) -> dict[str, object]:
        """Return plain data, ready for JSON."""
        return {
            **self.values(),
            "closed": self.closed,
            "cost": dict(self.cost),
            "receipt": dict(self.receipt),
        }


def _finite(value: object) -> object:
    """Plain data without numbers that JSON does not have."""
    if isinstance(value, dict):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _field(named: tuple[str, object]) -> str:
    """One field for people; a list is counted."""
    name, value = named
    return f"{name} of {len(value)}" if isinstance(value, _LISTS) else f"{name} {cell_text(value)}"


@dataclass(frozen=True, kw_only=True)
class Statistic(ABC, Generic[S]):
    """A statistic, bound to a table, arguments and a mode.

    Attributes:
        table: the table.
        mode: private or exact.
        limits: the public numbers of its guards.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    modes: ClassVar[frozenset[Mode]]
    promoted: ClassVar[frozenset[Mode]] = frozenset()  # see register; the other modes are provisional
    any_noise: ClassVar[bool] = (
        False  # whether all its errors follow from the noise's own law; else Gaussian noise alone
    )
    no_private: ClassVar[str] = ""  # why a private one is refused, for those that have none
    no_exact: ClassVar[str] = ""  # likewise
    parameters: ClassVar[tuple[Parameter, ...]]
    is_whole_table: ClassVar[bool] = (
        False  # of counts of two columns: may open as a whole, under one flag (``whole_table``)
    )
    keeps_missing: ClassVar[bool] = False  # of rows: also those that lack a value, with MISSING for it
    table: Table
    mode: Mode
    limits: Limits

    @classmethod
    @abstractmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> AnyStatistic:
        """Bind to a table and arguments; every check is made here.

        Args:
            table: the table.
            arguments: by the names of ``parameters``.
            mode: one of ``modes``.
            limits: the public numbers of its guards.

        Returns:
            The statistic; in private mode it may be one of another class.

        Raises:
            InvalidRequestError: an argument is missing, unknown or of another shape.
            PlanRejectedError: the table or a column cannot be used for it.
        """

    @property
    def query(self) -> BoundQuery | None:
        """The counts over groups that a site scans; None for a statistic over rows."""
        return None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose rows a site scans; empty for counts over groups."""
        return ()

    @property
    def figures(self) -> tuple[BlockSpec, ...]:
        """The blocks of a private release over the query's groups; empty: those of the query's outputs."""
        return ()

    @property
    def opens_site_results(self) -> bool:
        """Whether it opens figures about one site alone, which needs the policy ``site_results`` of every site."""
        return False

    @property
    def decides_policies(self) -> bool:
        """Whether it opens its figures to every site so that policies decide by them."""
        return False

    @property
    def norm(self) -> JointNorm | None:
        """What one row can change in all ``figures`` together; None: what it can change in each, added up."""
        return None

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Columns that have to be exact dimensions in exact mode; those of ``query`` are checked with it."""
        return self.columns

    @abstractmethod
    def start(self) -> S:
        """The public state before anything is opened."""

    @abstractmethod
    def step(self, state: S) -> Step | None:
        """The step from a state; None where the run is over. Equal at every site and at the analyst."""

    @abstractmethod
    def advance(self, state: S, opened: Ints) -> S:
        """The next state, from what the step opened to all sites; of an opening to the analyst an empty array.

        Pure, and the same bits on every machine.
        """

    @abstractmethod
    def every_step(self) -> tuple[Step, ...]:
        """All steps that a run can take, in order and at their largest: for prices, memory and the plan."""

    @abstractmethod
    def describe(self) -> dict[str, object]:
        """Bound arguments and all that the digest of a plan must fix; integers and texts alone."""

    @abstractmethod
    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> Answer:
        """The answer, from what each step opened.

        Visible to: the analyst alone.

        Args:
            opened: of each step that ran.
            noise: of each block of ``query`` in private mode; empty in exact mode.
        """


AnyStatistic = Statistic[Any]
