#!/usr/bin/env bash
# msgspec 0.23.0: the last moment of a year becomes the first moment of the next.
#
# A good engineer expects "2020-12-31T23:59:59.9999999Z" (7 digits, as .NET and SQL Server write the end of a day) to
# stay in 2020: Python's own datetime.fromisoformat cuts it to 23:59:59.999999.
# What happens: the 7th digit is rounded, so the value is 2021-01-01T00:00:00, and the time "23:59:59.9999999" becomes
# 00:00:00, the start of the same day, 24 hours earlier.
# Why it matters: periods of stay, of validity and of consent end with that text. Read this way, a patient discharged
# on 31 December is counted in the next year, and an end time lies before its start time. Two readers of one file disagree.
# The right value: the day and the year that stand in the text.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check msgspec==0.23.0
"$work/venv/bin/python" - <<'PY'
from datetime import datetime, time
from importlib.metadata import version

import msgspec

print("msgspec", version("msgspec"))
text, clock = "2020-12-31T23:59:59.9999999Z", "23:59:59.9999999"
moment = msgspec.json.decode(f'"{text}"', type=datetime)
hour = msgspec.json.decode(f'"{clock}"', type=time)
python_moment, python_hour = datetime.fromisoformat(text), time.fromisoformat(clock)
print("text     ", text, "and", clock)
print("msgspec  ", moment.isoformat(), "and", hour.isoformat())
print("standard ", python_moment.isoformat(), "and", python_hour.isoformat())
assert python_moment.year == 2020 and python_hour == time(23, 59, 59, 999999)
assert moment.year == 2021 and (moment.month, moment.day, moment.hour) == (1, 1, 0), moment
assert hour == time(0, 0), hour
print("as stated: the end of 2020 is read as the start of 2021, the end of the day as its start")
PY
