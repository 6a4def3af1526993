"""Logistic regression on secret rows, nothing opened but the coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.smpc.rows import Row, contribution, in_turns, row_of
from smpc.engine.tensors import from_crypten, to_crypten
from smpc.operations import arithmetic
from smpc.operations.numeric.logistic import LogisticPlan, fit

if TYPE_CHECKING:
    from benchmarks.smpc.seats import Seat
    from smpc.session import Session
    from smpc.sharing import Shared

PLAN = LogisticPlan(n_rows=1000, n_columns=30, n_steps=10, step_bits=9)
THEIR_PLACES = 16


def logistic_data() -> tuple[np.ndarray, np.ndarray]:
    """Draw standard normal features and outcomes of a logistic model."""
    random = np.random.default_rng(22)
    x = random.standard_normal((PLAN.n_rows, PLAN.n_columns)).clip(-4, 4)
    truth = np.linspace(-1, 1, PLAN.n_columns)
    return x, random.uniform(size=PLAN.n_rows) < 1 / (1 + np.exp(-x @ truth))


def in_the_clear(features: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """Take the same steps in float64, with exact sigmoids."""
    fitted = np.zeros(PLAN.n_columns)
    for _ in range(PLAN.n_steps):
        chances = 1 / (1 + np.exp(-features @ fitted))
        fitted -= features.T @ (chances - outcomes) / 2.0**PLAN.step_bits
    return fitted


def mine(session: Session, x: Shared, y: Shared) -> Shared:
    """Take full gradient steps from zero."""
    return fit(session, x, y, PLAN)


def theirs(session: Session, x: Shared, y: Shared) -> Shared:
    """Do the same by CrypTen, from the same numbers with its own places."""
    more = THEIR_PLACES - PLAN.features.fraction
    parts = (
        arithmetic.multiply_public(x, 1 << more),
        arithmetic.multiply_public(arithmetic.reshape(y, (-1, 1)), 1 << THEIR_PLACES),
        contribution(session, np.zeros((x.shape[1], 1), np.int64)),
    )
    rows, outcomes, fitted = (to_crypten(part, precision_bits=THEIR_PLACES) for part in parts)
    for _ in range(PLAN.n_steps):
        step = rows.t().matmul(rows.matmul(fitted).sigmoid() - outcomes) / (1 << PLAN.step_bits)
        fitted = fitted - step
    return arithmetic.reshape(from_crypten(fitted, precision_bits=THEIR_PLACES), (-1,))


def logistic_secret(seat: Seat) -> Row:
    """Fit by both in turns; errors are against the same steps in float64."""
    features, outcomes = logistic_data()
    exact = in_the_clear(features, outcomes)
    inputs = [PLAN.features.encode(features), outcomes.astype(np.int64)]
    times, (opened, other) = in_turns([mine, theirs], seat, inputs)

    def priced(session: Session) -> Shared:
        return mine(session, *(contribution(session, numbers) for numbers in inputs))

    return row_of(
        "logistic_secret",
        f"logistic regression on {PLAN.n_rows:,} x {PLAN.n_columns} secret rows, {PLAN.n_steps} steps",
        priced,
        seat.n_parties,
        times,
        error=float(np.max(np.abs(PLAN.decode(opened) - exact))),
        peer_error=float(np.max(np.abs(np.ldexp(other.astype(float), -THEIR_PLACES) - exact))),
    )
