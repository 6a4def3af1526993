"""Reference values of standardised effects, from statsmodels; writes effects.json beside this file.

Run in an environment that has it: ``python tests/oracles/statistics/effects.py``. The tables are random, with a stated seed.
Models are saturated: each stratum of the confounder has a mean and a propensity of its own.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels
from statsmodels.discrete.discrete_model import Logit
from statsmodels.regression.linear_model import OLS
from statsmodels.treatment.treatment_effects import TreatmentEffect

warnings.simplefilter("ignore")


def table(seed):
    generator = np.random.default_rng(seed)
    strata = int(generator.integers(2, 5))
    counts = generator.integers(15, 90, (2, 2, strata))
    rows = np.repeat(np.array(list(np.ndindex(counts.shape))), counts.ravel(), axis=0)
    exposed, outcome, stratum = rows.T
    design = pd.get_dummies(pd.Series(stratum)).astype(float)
    effect = TreatmentEffect(
        OLS(outcome.astype(float), design),
        exposed.astype(int),
        results_select=Logit(exposed.astype(float), design).fit(disp=0, tol=1e-12),
    )
    found = {"table": counts.tolist()}
    for name in ("ipw", "ra", "aipw"):
        fit = getattr(effect, name)()
        found[name] = {
            "difference": float(np.ravel(fit.effect)[0]),
            "error": float(np.sqrt(np.diag(fit.results_gmm.cov_params()))[0]),
            "risk_0": float(np.ravel(fit.start_params)[1])
            if name != "ra"
            else float(fit.results_gmm.params[1]),
        }
    att = effect.ra(effect_group=1)
    found["att"] = float(np.ravel(att.effect)[0])
    found["atc"] = float(np.ravel(effect.ra(effect_group=0).effect)[0])
    return found


def main():
    text = json.dumps(
        {"versions": {"statsmodels": statsmodels.__version__}, "tables": [table(seed) for seed in range(4)]}
    )
    Path(__file__).with_suffix(".json").write_text(text + "\n")


if __name__ == "__main__":
    main()
