#!/usr/bin/env bash
# pydantic 2.14.4: twelve months are 360 days, one year is 365.
#
# A good engineer expects the ISO 8601 durations "P12M" and "P1Y" (FHIR and OMOP exports write both) to be equal, or to be
# refused for a timedelta, which has no months: their length depends on the date they start at.
# What happens: a month counts as 30 days and a year as 365, so "P12M" is 360 days and "P1Y" 365.
# Why it matters: a follow-up of "12 months" ends five days before one of "1 year", and ten years of months are 50 days short:
# events at the end of follow-up are counted at one site and censored at another.
# The right value: equal durations, or an error that asks for days. isodate keeps months apart from days.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check pydantic==2.14.4 isodate==0.7.2
cd "$work"
"$work/venv/bin/python" - <<'PY'
from datetime import date, timedelta
from importlib.metadata import version

import isodate
from pydantic import TypeAdapter

print("pydantic", version("pydantic"), "isodate", version("isodate"))
read = TypeAdapter(timedelta).validate_python
found = {text: read(text).days for text in ("P1Y", "P12M", "P10Y", "P120M")}
start = date(2020, 1, 1)
ends = {text: start + isodate.parse_duration(text) for text in ("P1Y", "P12M")}
print("pydantic, days:", found)
print("isodate, from 1 January 2020:", {text: end.isoformat() for text, end in ends.items()})
assert ends["P1Y"] == ends["P12M"] == date(2021, 1, 1), ends
assert found == {"P1Y": 365, "P12M": 360, "P10Y": 3650, "P120M": 3600}, found
print("as stated: the same follow-up has two lengths")
PY
