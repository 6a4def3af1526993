"""Penalised least squares: the part that ridge, lasso and elastic net share, exact and private.

Layer:       analytics.statistics.linear_models above gram_rows, gram_release and penalties.
Terms:       as in ols. The penalty is on parameters in the columns' own units, or with ``standardize`` on parameters times the
             standard deviation of their column (``ddof=0``), as glmnet has it; the intercept has none.
Guarantees:  exact: the sums of products open behind the guards of gram_rows, as for ols, and the fit follows from them. Private:
             the release is that of ols; directions of the centred sums below 0 are put to 0, and the fit is flagged.
             What is shown beside it comes from refits under fresh noise of the release's law.
Visible to:  the analyst: number, sums and sums of products of all terms and the outcome; in private mode with noise.
Source:      see penalties.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit
from analytics.statistics.linear_models.penalised_answer import PenalisedAnswer
from analytics.statistics.matrices.formulas import FORMULA, read_formula
from analytics.statistics.matrices.gram_release import GramRelease
from analytics.statistics.matrices.gram_rows import GramRows, middle_of, terms_of
from analytics.statistics.matrices.integer_solve import symmetric
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.linear_models.penalties import Floats, Penalty
    from analytics.statistics.matrices.noisy_gram import NoisyGram

FIT_CLOSED: Final = "fit_closed"
REPLICATES: Final = 999
ALPHA: Final = Parameter(name="alpha", meaning="of the penalty, a number above 0")
STANDARDIZE: Final = Parameter(
    name="standardize",
    meaning="whether the penalty is on parameters times their column's standard deviation",
    default=False,
)
PARAMETERS: Final = (FORMULA, ALPHA, STANDARDIZE)
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Centred:
    """Sums of products around the means, in the columns' own units, over n.

    Attributes:
        products: of the terms; shape ``(..., p, p)``.
        wanted: of the terms and the outcome; shape ``(..., p)``.
        means: of terms and outcome; shape ``(..., p + 1)``.
        total: of the outcome; shape ``(...)``.
        n: rows; shape ``(...)``.
    """

    products: Floats
    wanted: Floats
    means: Floats
    total: Floats
    n: Floats

    def params(self, penalty: Penalty, *, standardize: bool) -> Floats:
        """Intercept and parameters; shape ``(..., p + 1)``."""
        sds = np.sqrt(np.maximum(np.einsum("...ii->...i", self.products), 0))
        scale = np.where(sds > 0, sds, 1.0) if standardize else np.ones_like(sds)
        products = self.products / (scale[..., np.newaxis] * scale[..., np.newaxis, :])
        found = penalty.solve(products, self.wanted / scale, self.n) / scale
        intercept = self.means[..., -1] - np.einsum("...i,...i->...", found, self.means[..., :-1])
        return np.concatenate([intercept[..., np.newaxis], found], axis=-1)

    def rsquared(self, params: Floats) -> float:
        """Share of the outcome's variance; of one fit."""
        found = params[1:]
        left = self.total - 2 * found @ self.wanted + found @ self.products @ found
        return float(np.clip(1 - left / self.total, 0, 1)) if self.total > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class PenalisedRows(GramRows):
    """An exact fit; of ``modelled`` the outcome is the last.

    Attributes:
        penalty: the penalty.
        standardize: see the module.
    """

    penalty: Penalty
    standardize: bool

    @classmethod
    def of(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits, penalty: Penalty) -> Self:
        """Bind with a penalty that was read."""
        bound = cls(
            table=table,
            mode=mode,
            limits=limits,
            modelled=read_columns(table, arguments, cls.name),
            penalty=penalty,
            standardize=arguments.flag("standardize"),
        )
        bound.check_size("formula")
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        shape = described(self.columns, self.penalty, standardize=self.standardize)
        return {**shape, "fewest_rows": super().describe()["fewest_rows"]}

    def closed_answer(self, reason: str) -> PenalisedAnswer:
        """See ``GramRows``; one code for all causes."""
        del reason
        return PenalisedAnswer(terms=self.terms[:-1], closed=FIT_CLOSED)

    def answer(self, gram: tuple[int, ...]) -> PenalisedAnswer:
        """See ``GramRows``."""
        centred = self.centred(gram)
        if centred is None:
            return self.closed_answer(FIT_CLOSED)
        params = centred.params(self.penalty, standardize=self.standardize)
        return PenalisedAnswer(
            terms=self.terms[:-1],
            params=tuple(float(f"{value:.{_DIGITS}g}") for value in params),
            nobs=int(centred.n),
            rsquared=centred.rsquared(params),
        )

    def centred(self, gram: tuple[int, ...]) -> Centred | None:
        """The sums around the means, each from exact integers; None of an outcome without spread."""
        matrix = symmetric(gram, self.n_parameters)
        n = matrix[0][0]
        around = [
            [n * matrix[i][j] - matrix[0][i] * matrix[0][j] for j in places(matrix)] for i in places(matrix)
        ]
        if n == 0 or around[-1][-1] == 0:
            return None
        units = [step_of(column) for column in self.modelled for _ in terms_of(column)]
        middles = [middle_of(column) for column in self.modelled for _ in terms_of(column)]
        moments = np.array(
            [
                [float(Fraction(value, n * n) * a * b) for value, b in zip(row, units, strict=True)]
                for row, a in zip(around, units, strict=True)
            ]
        )
        means = [
            float(unit * (middle + Fraction(value, n)))
            for unit, middle, value in zip(units, middles, matrix[0][1:], strict=True)
        ]
        return Centred(
            products=moments[:-1, :-1],
            wanted=moments[:-1, -1],
            means=np.array(means),
            total=moments[-1, -1],
            n=np.array(float(n)),
        )


@dataclass(frozen=True, kw_only=True)
class PenalisedRelease(GramRelease):
    """A private fit; of ``modelled`` the outcome is the last.

    Attributes:
        penalty: the penalty.
        standardize: see the module.
    """

    penalty: Penalty
    standardize: bool

    @classmethod
    def of(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits, penalty: Penalty) -> Self:
        """Bind with a penalty that was read."""
        bound = cls(
            table=table,
            mode=mode,
            limits=limits,
            modelled=read_columns(table, arguments, cls.name),
            penalty=penalty,
            standardize=arguments.flag("standardize"),
        )
        bound.check_size("formula")
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        names = [column.name for column in self.modelled]
        return described(names, self.penalty, standardize=self.standardize)

    def answer(self, gram: NoisyGram, opened: Ints) -> PenalisedAnswer:
        """See ``GramRelease``."""
        centred, is_raised = self.centred(gram.matrix)
        params = centred.params(self.penalty, standardize=self.standardize)
        drawn, _ = self.centred(gram.matrix + gram.noise(REPLICATES, simulation(opened)))
        distances = drawn.params(self.penalty, standardize=self.standardize) - params
        return PenalisedAnswer(
            terms=("intercept", *(term.name for term in self.design[:-1])),
            params=tuple(params.tolist()),
            nobs=gram.n,
            rsquared=centred.rsquared(params),
            noise_errors=tuple(np.sqrt((distances**2).mean(axis=0)).tolist()),
            too_few=is_raised or gram.n < FEW * gram.size_sd,
            distances=distances,
        )

    def centred(self, matrix: Floats) -> tuple[Centred, bool]:
        """The sums around the means of noisy matrices, shape ``(..., m, m)``, and whether one direction was below 0."""
        n = np.maximum(matrix[..., 0, 0], 2.0)
        means = matrix[..., 0, 1:] / n[..., np.newaxis]
        around = matrix[..., 1:, 1:] / n[..., np.newaxis, np.newaxis]
        around = around - means[..., np.newaxis] * means[..., np.newaxis, :]
        values, vectors = np.linalg.eigh(around)
        is_raised = bool((values < 0).any())
        if is_raised:
            around = (vectors * np.maximum(values, 0)[..., np.newaxis, :]) @ np.swapaxes(vectors, -1, -2)
        units = np.array([term.reach * float(step_of(self.modelled[term.column])) for term in self.design])
        centers = np.array([term.center * float(step_of(self.modelled[term.column])) for term in self.design])
        moments = around * np.outer(units, units)
        found = Centred(
            products=moments[..., :-1, :-1],
            wanted=moments[..., :-1, -1],
            means=means * units + centers,
            total=moments[..., -1, -1],
            n=n,
        )
        return found, is_raised


def read_columns(table: Table, arguments: Arguments, name: str) -> tuple[GroupColumn, ...]:
    """The covariates of the formula, then its outcome.

    Raises:
        InvalidRequestError: the outcome is no number.
    """
    check_one_row_a_unit(table, name)
    outcome, covariates = read_formula(arguments.text("formula"), table, "formula")
    if not isinstance(outcome, NumericColumn):
        raise InvalidRequestError(
            parameter="formula", reason=f"{outcome.name} must be numeric: it is the outcome"
        )
    return (*covariates, outcome)


def number_above_0(arguments: Arguments, name: str, most: float = 1e12) -> float:
    """A number above 0.

    Raises:
        InvalidRequestError: it is none.
    """
    found = arguments.one_or_more_numbers(name)
    if len(found) != 1 or not 0 < found[0] <= most:
        raise InvalidRequestError(parameter=name, reason=f"must be a number above 0, at most {most:g}")
    return float(found[0])


def described(names: Sequence[str], penalty: Penalty, *, standardize: bool) -> dict[str, object]:
    """What the digest of a plan must fix."""
    return {
        "outcome": names[-1],
        "covariates": list(names[:-1]),
        "alpha": repr(penalty.alpha),
        "l1_ratio": repr(penalty.l1_ratio),
        "standardize": int(standardize),
    }


def step_of(column: GroupColumn) -> Fraction:
    """The unit of a column's integers."""
    return column.resolution if isinstance(column, NumericColumn) else Fraction(1)


def places(matrix: Sequence[object]) -> range:
    """The places of all columns but the 1."""
    return range(1, len(matrix))
