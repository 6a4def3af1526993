"""Fits of one machine over all rows together: lifelines and statsmodels, in an environment of their own.

    .venv-oracles/bin/python benchmarks/peers/fits_peer.py cox|logistic ROWS

prints JSON: the seconds of the fit, and its parameters.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.statistics.people import cases, followed


def main() -> None:
    """Measure and print."""
    warnings.filterwarnings("ignore")
    work, count = sys.argv[1], int(sys.argv[2])
    if work == "cox":
        import lifelines

        frame = followed(1, count).astype(float)
        started = time.perf_counter()
        fit = lifelines.CoxPHFitter().fit(frame, "days", "died")
        seconds, params = time.perf_counter() - started, fit.params_
    else:
        import statsmodels.api

        frame = cases(1, count).astype(float)
        started = time.perf_counter()
        design = statsmodels.api.add_constant(frame.drop(columns="ill"))
        fit = statsmodels.api.Logit(frame.ill, design).fit(disp=False)
        seconds, params = time.perf_counter() - started, fit.params
    found = {name: float(value) for name, value in params.items() if np.isfinite(value)}
    print(json.dumps({"seconds": seconds, "params": found}))


if __name__ == "__main__":
    main()
