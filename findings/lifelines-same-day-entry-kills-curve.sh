#!/usr/bin/env bash
# lifelines 0.30.3: one patient admitted and dead on the same day sends the whole survival curve to 0.
#
# A good engineer expects late entry (entry=) with entry == duration to be refused, or the patient to count in the
# risk set of the day of death, or not at all. In no case can S be 0 while a patient is still under observation.
# What happens: the death counts, the patient does not count as at risk. Patients A (0 to 5, died), B (5 to 5, died),
# C (0 to 7, died): S(5) = 1 - 2/2 = 0 although C lives on until day 7; event_table says 3 at risk.
# Why it matters: with late entry (referred patients, moves between hospitals) stays of 0 days are common. One such
# row at one site wipes out the joint curve, and the median and everything after it.
# The right value: 1 - 2/3 = 1/3 if B is at risk on day 5, 1 - 1/2 = 1/2 if B is left out; both are above 0.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check lifelines==0.30.3 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/python" - <<'PY'
import warnings
from importlib.metadata import version

from lifelines import KaplanMeierFitter

warnings.simplefilter("ignore")
print("lifelines", version("lifelines"))

fit = KaplanMeierFitter().fit([5, 5, 7], [1, 1, 1], entry=[0, 5, 0])
at_5 = float(fit.survival_function_.loc[5.0].iloc[0])
table = fit.event_table.loc[5.0]
without = float(KaplanMeierFitter().fit([5, 7], [1, 1], entry=[0, 0]).predict(5))
print(fit.event_table)
print(f"S(5) = {at_5}, with {int(table['at_risk'])} at risk and {int(table['observed'])} deaths; without the same-day patient {without}")
print(f"by hand: {1 - 2 / 3:.4f} or {1 - 1 / 2:.4f}")
assert int(table["at_risk"]) == 3 and int(table["observed"]) == 2
assert without == 0.5
assert at_5 == 0.0, "S(5) is no longer 0"
assert float(fit.event_table.loc[7.0, "at_risk"]) == 1
print("as stated: the curve is at 0 while one patient is still at risk")
PY
