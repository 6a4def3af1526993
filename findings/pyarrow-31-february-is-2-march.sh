#!/usr/bin/env bash
# pyarrow 26.0.1: 31 February is read as 2 March, even when errors are asked to become missing.
#
# A good engineer expects pyarrow.compute.strptime(..., error_is_null=True) to give a missing value for a day that does
# not exist.
# What happens: 31/02/2020 becomes 2 March 2020 and 31/04/2020 becomes 1 May 2020; only a text that does not have the form
# of a date (32/01/2020, "unknown") becomes missing.
# Why it matters: such days are typing errors in every hospital's records and should be counted by the data checks. Here they
# turn into plausible wrong dates, which move a death or a dose into the next month; a site that reads with Python drops them.
# The right value: no such day, by the standard library and by the calendar.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check pyarrow==26.0.1
"$work/venv/bin/python" - <<'PY'
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

print("pyarrow", pa.__version__)


def by_python(text: str) -> str | None:
    try:
        return datetime.strptime(text, "%d/%m/%Y").date().isoformat()
    except ValueError:
        return None


texts = ["29/02/2020", "31/02/2020", "31/04/2020", "32/01/2020", "unknown"]
read = pc.strptime(pa.array(texts), format="%d/%m/%Y", unit="s", error_is_null=True).to_pylist()
arrow = [moment and moment.date().isoformat() for moment in read]
python = [by_python(text) for text in texts]
for row in zip(texts, arrow, python):
    print("%-11s pyarrow %-11s Python %s" % row)
assert python == ["2020-02-29", None, None, None, None]
assert arrow == ["2020-02-29", "2020-03-02", "2020-05-01", None, None], arrow
print("as stated: days that do not exist become days of the next month")
PY
