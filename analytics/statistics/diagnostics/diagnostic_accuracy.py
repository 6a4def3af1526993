"""How well a yes-or-no test finds a yes-or-no truth: sensitivity, specificity, predictive values, likelihood ratios.

Layer:       analytics.statistics.diagnostics above figure_table.
Terms:       the second group of ``test`` is a positive test, the second of ``truth`` has the condition; true stands after
             false. *Positive* likelihood ratio: sensitivity over 1 - specificity; *negative*: 1 - sensitivity over
             specificity.
Guarantees:  shares have Wilson's interval, ratios that of their logarithm. No 0.5 is added to any cell: a ratio over 0 is
             None. Predictive values, accuracy and prevalence are those of these patients. The whole table opens, or nothing
             does; private: one release, intervals hold sampling and noise.
Visible to:  the analyst: the table.
See instead: a score with thresholds (roc_auc, net_benefit).
Source:      Altman, Bland 1994; Simel, Samsa, Matchar 1991 for the ratios' intervals; delta_method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.figure_table import FigureTable, TableAnswer, two_groups
from analytics.statistics.uncertainty.delta_method import Complex, figure, share

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
_TEST, _TRUTH = (axis == 1 for axis in np.indices((2, 2)))
_ALL: Final = np.ones((2, 2), dtype=np.bool_)
_HIT: Final = _TEST == _TRUTH


@dataclass(frozen=True, kw_only=True)
class DiagnosticAccuracy(FigureTable):
    """The figures; rows of the table are the test's groups, columns those of the truth."""

    name: ClassVar[str] = "diagnostic_accuracy"
    summary: ClassVar[str] = "sensitivity, specificity, predictive values and likelihood ratios of a test"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="test", meaning="a column with two public groups; the second is a positive test"),
        Parameter(name="truth", meaning="another one; the second has the condition"),
    )

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        axes = [(name, two_groups(arguments, name, table)) for name in ("test", "truth")]
        return cls.bind_axes(table, mode, limits, axes)

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``."""
        del opened
        sd = 0.0 if law is None else law.sd
        shares = {
            "sensitivity": (_TRUTH & _TEST, _TRUTH),
            "specificity": (~_TRUTH & ~_TEST, ~_TRUTH),
            "positive_predictive_value": (_TRUTH & _TEST, _TEST),
            "negative_predictive_value": (~_TRUTH & ~_TEST, ~_TEST),
            "accuracy": (_HIT, _ALL),
            "prevalence": (_TRUTH, _ALL),
        }
        figures = {name: share(part, whole, cells, sd) for name, (part, whole) in shares.items()}
        ratios = {
            "positive_likelihood_ratio": (_positive, [_TRUTH & _TEST, ~_TRUTH & _TEST]),
            "negative_likelihood_ratio": (_negative, [_TRUTH & ~_TEST, ~_TRUTH & ~_TEST]),
            "diagnostic_odds_ratio": (
                _odds,
                [_TRUTH & _TEST, ~_TRUTH & _TEST, _TRUTH & ~_TEST, ~_TRUTH & ~_TEST],
            ),
        }
        for name, (function, needs) in ratios.items():
            figures[name] = figure(function, cells, sd, kind="ratio", needs=needs)
        figures["youden"] = figure(_youden, cells, sd, needs=[_TRUTH, ~_TRUTH], least=-1.0, most=1.0)
        return TableAnswer(figures=figures)


def _rates(tables: Complex) -> tuple[Complex, Complex]:
    """The shares of positive tests among those with the condition and among the others."""
    shares = tables[:, 1] / tables.sum(axis=1)
    return shares[:, 1], shares[:, 0]


def _positive(tables: Complex) -> Complex:
    true, false = _rates(tables)
    found: Complex = true / false
    return found


def _negative(tables: Complex) -> Complex:
    true, false = _rates(tables)
    found: Complex = (1 - true) / (1 - false)
    return found


def _odds(tables: Complex) -> Complex:
    return _positive(tables) / _negative(tables)


def _youden(tables: Complex) -> Complex:
    true, false = _rates(tables)
    return true - false
