"""The answer of a question.

Layer:       analytics beside errors; pandas is loaded only where a frame is asked for.
Guarantees:  ``rows``, ``errors`` and ``interval_rows`` are plain; ``frame``, ``standard_errors``, ``interval`` and
             ``flags`` have exactly the SELECT's columns, each with the labels of its groups. Cells that the guard
             closed are NA and listed in ``suppressed``; private cells whose noise is as large as the figure are
             listed in ``too_few``.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Real
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from analytics.errors import InvalidRequestError
from analytics.pictures import Bars, draw
from analytics.plans.context import guard_text
from analytics.text_tables import as_html, as_text, cell_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

Cell = int | float | bool | str | None
Kind = Literal["integer", "number", "boolean", "text"]
_DTYPES = {"integer": "Int64", "number": "Float64", "boolean": "boolean", "text": "string"}
LEVEL: Final = 0.95
SUPPRESSED: Final = "suppressed"
TOO_FEW: Final = "too few for this epsilon"


class Sampling(Protocol):
    """What sampling leaves open of one cell, beside the noise."""

    @property
    def error(self) -> float:
        """Standard error of sampling alone."""
        ...

    def between(self, level: float) -> tuple[float, float]:
        """Low and high for all patients like these, noise included."""
        ...


class Interval(Protocol):
    """The interval around one cell, at any width."""

    def between(self, width: float) -> tuple[float, float]:
        """Low and high, so many standard deviations on each side."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Result:
    """An answer; printed, a table of its figures with their noise and what it cost.

    Attributes:
        columns: the SELECT's columns.
        kinds: their types.
        rows: the cells; None is NA.
        errors: standard error of the noise on each cell, 0 in exact answers; None for group keys, NA and biased figures.
        intervals: of each private cell; None for group keys and in exact answers.
        keys: the places of the group keys among the columns.
        suppressed: (row, column) of each cell that the guard closed.
        too_few: (row, column) of each private cell whose noise is as large as the figure: it stands at an end of its
            public range, or is a mean, variance or deviation over a count below four standard deviations of its noise.
        cost: what was charged, with everything that epsilon depends on.
        receipt: the ledger's receipt.
        samplings: of each cell whose sampling error follows from the answer.
        no_sampling: the columns of figures without one, and why.
    """

    columns: tuple[str, ...]
    kinds: tuple[Kind, ...]
    rows: tuple[tuple[Cell, ...], ...]
    errors: tuple[tuple[float | None, ...], ...]
    intervals: tuple[tuple[Interval | None, ...], ...]
    keys: tuple[int, ...] = ()
    suppressed: tuple[tuple[int, str], ...] = ()
    too_few: tuple[tuple[int, str], ...] = ()
    cost: Mapping[str, object] = field(default_factory=dict)
    receipt: Mapping[str, object] = field(default_factory=dict)
    samplings: tuple[tuple[Sampling | None, ...], ...] = ()
    no_sampling: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Shape and price in one line."""
        return f"<Result: {len(self.rows)} rows of {', '.join(self.columns)}; {self._price()}>"

    def __str__(self) -> str:
        """The table, with ``± standard error`` and a word on each flagged cell."""
        return as_text(self.columns, self._shown(), [self._price()])

    def _repr_html_(self) -> str:
        return as_html(self.columns, self._shown(), [self._price()])

    def _price(self) -> str:
        origin = self.receipt.get("from_store")
        if isinstance(origin, dict) and origin["free"]:
            return f"free: {origin_text(origin)}"
        if "epsilon" not in self.cost:
            cell, sites = self.cost.get("minimum_cell"), self.cost.get("max_sites_per_unit")
            why = f"; {guard_text(cell, sites)}" if isinstance(cell, int) and isinstance(sites, int) else ""
            return f"exact disclosure, without noise{why}"
        more = f"; {origin_text(origin)}" if isinstance(origin, dict) else ""
        return f"private: epsilon {self.cost['epsilon']} at delta {self.cost.get('delta')}{more}"

    def _shown(self) -> list[list[object]]:
        """Cells for people."""
        marks = dict.fromkeys(self.too_few, TOO_FEW) | dict.fromkeys(self.suppressed, SUPPRESSED)
        return [
            [
                _cell(value, error, marks.get((number, name), ""))
                for name, value, error in zip(self.columns, row, self.errors[number], strict=True)
            ]
            for number, row in enumerate(self.rows)
        ]

    @property
    def frame(self) -> pd.DataFrame:
        """The answer as a pandas frame with nullable types."""
        return self._frame(self.rows, [_DTYPES[kind] for kind in self.kinds])

    @property
    def standard_errors(self) -> pd.DataFrame:
        """Standard errors of the noise, in the shape of ``frame``, with the groups' labels."""
        return self._beside_keys(self.errors, "Float64")

    @property
    def flags(self) -> pd.DataFrame:
        """Flags of each cell, in the shape of ``frame``, with the groups' labels.

        ``suppressed``, ``too few for this epsilon``, or an empty text.
        """
        marks = dict.fromkeys(self.too_few, TOO_FEW) | dict.fromkeys(self.suppressed, SUPPRESSED)
        rows = [
            [marks.get((number, name), "") for name in self.columns] for number, _ in enumerate(self.rows)
        ]
        return self._beside_keys(rows, "string")

    @property
    def sampling_errors(self) -> pd.DataFrame:
        """Standard errors of sampling alone, in the shape of ``frame``; NA where a figure has none (``no_sampling``)."""
        return self._beside_keys(self.sampling_rows(), "Float64")

    def sampling_rows(self) -> tuple[tuple[float | None, ...], ...]:
        """Standard errors of sampling alone, plain, in the shape of ``rows``."""
        return tuple(tuple(None if each is None else each.error for each in row) for row in self.samplings)

    def interval(self, level: float = LEVEL, *, sampling: bool = False) -> pd.DataFrame:
        """Intervals in the shape of ``frame``, with the groups' labels.

        Args:
            level: coverage, above 0 and below 1.
            sampling: False: they cover the answer without noise. True: they cover what it would be for all patients like
                these, of whom the rows are a sample; sampling and noise are in them.

        Returns:
            A frame of ``(low, high)``; None for NA.

        Raises:
            InvalidRequestError: the level is not a number above 0 and below 1, or a figure has no sampling error; the
                reason says what to ask.
        """
        return self._beside_keys(self.interval_rows(level, sampling=sampling), "object")

    def interval_rows(
        self, level: float = LEVEL, *, sampling: bool = False
    ) -> tuple[tuple[tuple[float, float] | None, ...], ...]:
        """Intervals, plain.

        Those of the noise lie in the public range of their figure and hold its value; they cover at every group size,
        small ones included. An exact figure is its own interval. Those with sampling hold them.

        Args:
            level: as ``interval``.
            sampling: as ``interval``.

        Returns:
            In the shape of ``rows``: ``(low, high)``; None for group keys and NA.

        Raises:
            InvalidRequestError: as ``interval``.
        """
        width = _width(level)
        if sampling:
            self._check_sampling()
            return self.sampled_rows(level)
        return tuple(
            tuple(
                _around(cell, error, interval, width)
                for cell, error, interval in zip(cells, errors, intervals, strict=True)
            )
            for cells, errors, intervals in zip(self.rows, self.errors, self.intervals, strict=True)
        )

    def sampled_rows(self, level: float = LEVEL) -> tuple[tuple[tuple[float, float] | None, ...], ...]:
        """Intervals with sampling, plain; None also where a figure has no sampling error.

        Raises:
            InvalidRequestError: the level is not a number above 0 and below 1.
        """
        _width(level)
        return tuple(
            tuple(None if each is None else each.between(float(level)) for each in row)
            for row in self.samplings
        )

    def _check_sampling(self) -> None:
        if self.no_sampling:
            reasons = "; ".join(f"{name}: the sampling error {why}" for name, why in self.no_sampling.items())
            raise InvalidRequestError(parameter="sampling", reason=f"has no interval for {reasons}")

    def plot(self, axes: Axes | None = None, *, column: str = "") -> Axes:
        """Draw one column of figures as bars over the groups, with the 95 % intervals of the noise.

        Needs matplotlib, which ``crossward[plots]`` installs.

        Args:
            axes: where; by default in a new figure, which is ``.figure`` of what is returned.
            column: which figures; the first column that is no group key by default.

        Raises:
            InvalidRequestError: there is no such column of figures, or matplotlib is not installed.
        """
        return draw(self.picture(column), axes)

    def picture(self, column: str = "") -> Bars:
        """What ``plot`` shows, as plain data; arguments and errors as ``plot``."""
        figures = [place for place in range(len(self.columns)) if place not in self.keys]
        places = [place for place in figures if not column or self.columns[place] == column]
        if not places:
            known = ", ".join(self.columns[place] for place in figures)
            raise InvalidRequestError(parameter="column", reason=f"must be a column of figures: {known}")
        place = places[0]
        name = self.columns[place]
        ends = [row[place] or (None, None) for row in self.interval_rows()]
        heights = [_height(row[place]) for row in self.rows]
        is_noisy = any(row[place] is not None for row in self.intervals)
        return Bars(
            labels=[", ".join(str(row[key]) for key in self.keys) or name for row in self.rows],
            series={name: heights},
            low={name: [low for low, _ in ends]} if is_noisy else {},
            high={name: [high for _, high in ends]} if is_noisy else {},
            x_name=", ".join(self.columns[key] for key in self.keys),
            y_name=name,
        )

    def spreadsheet(self, *, sampling: bool = False) -> tuple[list[str], list[list[object]]]:
        """The answer for ``--csv``: beside each private figure its noise and interval, at the end the flags.

        Args:
            sampling: beside each figure also its sampling error and the interval with it.

        Returns:
            Names of the columns, and rows; None where there is no value.
        """
        intervals, errors = self.interval_rows(), self.sampling_rows()
        sampled = self.sampled_rows() if sampling else ()
        noisy = [any(row[place] is not None for row in self.intervals) for place in range(len(self.columns))]
        figures = [sampling and place not in self.keys for place in range(len(self.columns))]
        names: list[str] = []
        for name, is_noisy, is_figure in zip(self.columns, noisy, figures, strict=True):
            names += [name, *((f"{name} sd", f"{name} low", f"{name} high") if is_noisy else ())]
            names += [f"{name} sampling {each}" for each in ("sd", "low", "high")] if is_figure else []
        marks = dict.fromkeys(self.too_few, TOO_FEW) | dict.fromkeys(self.suppressed, SUPPRESSED)
        rows: list[list[object]] = []
        for number, row in enumerate(self.rows):
            cells: list[object] = []
            for place, value in enumerate(row):
                around = intervals[number][place] or (None, None)
                cells += [value, *((self.errors[number][place], *around) if noisy[place] else ())]
                if figures[place]:
                    cells += [errors[number][place], *(sampled[number][place] or (None, None))]
            flags = [f"{name}: {marks[number, name]}" for name in self.columns if (number, name) in marks]
            rows.append([*cells, "; ".join(flags)])
        return [*names, "flags"], rows

    def to_dict(self, *, sampling: bool = False) -> dict[str, object]:
        """The answer for ``--json``; with ``sampling`` also the sampling errors and the intervals with them."""
        more: dict[str, object] = {}
        if sampling:
            more = {
                "sampling_errors": [list(row) for row in self.sampling_rows()],
                "sampling_intervals": {"level": LEVEL, "rows": [list(row) for row in self.sampled_rows()]},
                "no_sampling": dict(self.no_sampling),
            }
        return {
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
            "standard_errors": [list(row) for row in self.errors],
            "intervals": {"level": LEVEL, "rows": [list(row) for row in self.interval_rows()]},
            "suppressed": [{"row": row, "column": column} for row, column in self.suppressed],
            "too_few": [{"row": row, "column": column} for row, column in self.too_few],
            "cost": dict(self.cost),
            "receipt": dict(self.receipt),
        } | more

    def _beside_keys(self, rows: Sequence[Sequence[object]], dtype: str) -> pd.DataFrame:
        """A frame of something about every figure, with the group keys as they are."""
        mixed = [
            [cells[place] if place in self.keys else value for place, value in enumerate(row)]
            for row, cells in zip(rows, self.rows, strict=True)
        ]
        dtypes = [_DTYPES[kind] if place in self.keys else dtype for place, kind in enumerate(self.kinds)]
        return self._frame(mixed, dtypes)

    def _frame(self, rows: Sequence[Sequence[object]], dtypes: Sequence[str]) -> pd.DataFrame:
        import pandas as pd

        columns = {
            name: pd.Series([row[place] for row in rows], dtype=dtype)
            for place, (name, dtype) in enumerate(zip(self.columns, dtypes, strict=True))
        }
        return pd.DataFrame(columns)


def origin_text(origin: Mapping[str, Any]) -> str:
    """Return what an answer is made from, where earlier releases went into it.

    Args:
        origin: ``from_store`` of its receipt.
    """
    made = ", ".join(f"{each['number']} (epsilon {each['epsilon']})" for each in origin["releases"])
    text = f"made from your own releases of ledger entries {made}"
    if origin["left_out"]:
        others = ", ".join(map(str, origin["left_out"]))
        text += f"; not from {others}: the figures differ by more than their noise, so the rows have changed"
    return text


def _cell(value: Cell, error: float | None, mark: str) -> object:
    """A cell with its noise and its flag."""
    if mark == SUPPRESSED:
        return mark
    noise = f" ± {error:.3g}" if error else ""
    return f"{cell_text(value)}{noise} ({mark})" if mark else f"{cell_text(value)}{noise}"


def _width(level: object) -> float:
    """Standard deviations on each side.

    Raises:
        InvalidRequestError: the level is not a number above 0 and below 1.
    """
    if isinstance(level, bool) or not isinstance(level, Real) or not 0 < float(level) < 1:
        raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
    return -NormalDist().inv_cdf((1 - float(level)) / 2)


def _around(
    cell: Cell, error: float | None, interval: Interval | None, width: float
) -> tuple[float, float] | None:
    if cell is None or (error is None and interval is None) or isinstance(cell, str | bool):
        return None
    return (float(cell), float(cell)) if interval is None else interval.between(width)


def _height(cell: Cell) -> float | None:
    """A figure as a float; None for NA."""
    return None if cell is None or isinstance(cell, str) else float(cell)
