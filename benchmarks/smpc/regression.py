"""Logistic regression on secret rows, nothing opened but the coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.smpc.exactness import SCALE
from benchmarks.smpc.rows import Row, contribution, in_turns, row_of
from smpc.engine.tensors import from_crypten, to_crypten
from smpc.operations import arithmetic, fixed_point, functions, truncation

if TYPE_CHECKING:
    from smpc.session import Session
    from smpc.sharing import Shared
    from smpc.simulator import Channels

LOGIT_BOUND = 16.0
ROWS, COLUMNS, STEPS = 1024, 8, 10


def logistic_data(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw standard normal features and outcomes of a logistic model."""
    random = np.random.default_rng(22)
    x = random.standard_normal((rows, columns)).clip(-4, 4)
    truth = np.linspace(-1, 1, columns)
    y = random.uniform(size=rows) < 1 / (1 + np.exp(-x @ truth))
    return x, y.astype(np.float64)[:, np.newaxis]


def in_the_clear(features: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """Take the same steps in float64."""
    fitted = np.zeros((features.shape[1], 1))
    for _ in range(STEPS):
        logits = features @ fitted
        if np.max(np.abs(logits)) >= LOGIT_BOUND:
            raise SystemExit("logistic_secret: a logit outside the declared range")
        fitted -= features.T @ (1 / (1 + np.exp(-logits)) - outcomes) / 512
    return fitted


def mine(session: Session, x: Shared, y: Shared) -> Shared:
    """Take full gradient steps from zero."""
    columns, fitted = arithmetic.transpose(x), contribution(session, np.zeros((x.shape[1], 1), np.int64))
    for _ in range(STEPS):
        logits = fixed_point.matmul(session, x, fitted, SCALE)
        chances = functions.sigmoid(session, logits, -LOGIT_BOUND, LOGIT_BOUND, SCALE)
        raw = arithmetic.matmul(session, columns, arithmetic.subtract(chances, y))
        step = truncation.truncate(session, raw, 16 + 9, SCALE.wide_bits, is_rounded=True)
        fitted = arithmetic.subtract(fitted, step)
    return fitted


def theirs(session: Session, x: Shared, y: Shared) -> Shared:
    """Do the same by CrypTen."""
    zeros = contribution(session, np.zeros((x.shape[1], 1), np.int64))
    rows, outcomes, fitted = (to_crypten(part, precision_bits=16) for part in (x, y, zeros))
    for _ in range(STEPS):
        fitted = fitted - rows.t().matmul(rows.matmul(fitted).sigmoid() - outcomes) / 512
    return from_crypten(fitted, precision_bits=16)


def logistic_secret(parties: int, channels: Channels | None) -> Row:
    """Fit by both in turns; errors are against the same steps in float64."""
    features, outcomes = logistic_data(ROWS, COLUMNS)
    exact = in_the_clear(features, outcomes)
    inputs = [SCALE.encode(features), SCALE.encode(outcomes)]
    times, (opened, other) = in_turns([mine, theirs], parties, channels, inputs)

    def priced(session: Session) -> Shared:
        return mine(session, *(contribution(session, numbers) for numbers in inputs))

    return row_of(
        "logistic_secret",
        f"logistic regression on {ROWS} x {COLUMNS} secret rows, {STEPS} steps",
        priced,
        parties,
        times,
        error=float(np.max(np.abs(SCALE.decode(opened) - exact))),
        peer_error=float(np.max(np.abs(SCALE.decode(other) - exact))),
    )
