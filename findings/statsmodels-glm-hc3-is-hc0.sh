#!/usr/bin/env bash
# statsmodels 0.15.0: in GLM and Logit the robust errors HC1, HC2 and HC3 are all HC0, digit for digit.
#
# A good engineer expects what OLS gives under the same names: HC1 is HC0 times sqrt(n / (n - k)), HC3 divides each residual by
# 1 - h. A gaussian GLM is OLS; its errors are equal otherwise.
# What happens: each name is taken without a warning, the result says cov_type HC3, and the numbers are those of HC0.
# Why it matters: HC3 is chosen for small studies because HC0 is too small there. With 12 patients here the error of OLS is 2.07
# times that of the same model as GLM, and a reader of the table believes that both are HC3.
# The right values: those of OLS.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check statsmodels==0.15.0 numpy==2.4.6 pandas==2.3.3 scipy==1.17.1
"$work/venv/bin/python" - <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
import statsmodels.api as sm

warnings.simplefilter("error")
print("statsmodels", version("statsmodels"))
age = np.array([31, 35, 38, 42, 44, 47, 51, 55, 58, 63, 70, 91.0])
pressure = np.array([118, 121, 119, 128, 124, 131, 126, 139, 133, 137, 150, 141.0])
ill = np.array([0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1.0])
design = sm.add_constant(age)
models = {
    "OLS": lambda kind: sm.OLS(pressure, design).fit(cov_type=kind),
    "GLM gaussian": lambda kind: sm.GLM(pressure, design, family=sm.families.Gaussian()).fit(cov_type=kind),
    "GLM binomial": lambda kind: sm.GLM(ill, design, family=sm.families.Binomial()).fit(cov_type=kind),
    "Logit": lambda kind: sm.Logit(ill, design).fit(cov_type=kind, disp=0),
}
seen = {}
for name, fit in models.items():
    for kind in ("HC0", "HC1", "HC2", "HC3"):
        result = fit(kind)
        assert result.cov_type == kind, result.cov_type
        seen[name, kind] = result.bse[1]
    print(f"{name:13}", *(f"{kind} {seen[name, kind]:.6f}" for kind in ("HC0", "HC1", "HC2", "HC3")))
assert len({round(seen["OLS", kind], 9) for kind in ("HC0", "HC1", "HC2", "HC3")}) == 4
assert np.isclose(seen["OLS", "HC0"], seen["GLM gaussian", "HC0"])
for name in ("GLM gaussian", "GLM binomial", "Logit"):
    assert len({seen[name, kind] for kind in ("HC0", "HC1", "HC2", "HC3")}) == 1, name
ratio = seen["OLS", "HC3"] / seen["GLM gaussian", "HC3"]
print(f"as stated: HC3 of OLS is {ratio:.2f} times HC3 of the same model as GLM")
assert 1.2 < ratio < 3, ratio
PY
