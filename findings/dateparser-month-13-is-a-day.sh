#!/usr/bin/env bash
# dateparser 1.5.0: an impossible month becomes another day: 1980-13-01 is read as 13 January 1980, 1980-31-05 as 31 May.
#
# A good engineer expects text in the form of an ISO date, year first, to be read as one or refused: the standard has no form
# year-day-month.
# What happens: where the middle number cannot be a month, day and month change places, without a word; "1980-12-01" stays 1 December.
# Why it matters: a column written year-day-month (or with typing errors) is half wrong and half silently "repaired": days up to 12 stay
# as they are, later days change places. A strict reader names the first line with a 13.
# The right value: an error for 1980-13-01.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check dateparser==1.5.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
from datetime import date
from importlib.metadata import version

import dateparser

print("dateparser", version("dateparser"))
found = {text: dateparser.parse(text, languages=["en"]) for text in ("1980-13-01", "1980-31-05", "1980-12-01")}
for text, value in found.items():
    try:
        strict = date.fromisoformat(text).isoformat()
    except ValueError as error:
        strict = f"refused ({error})"
    print(text, "->", value.date().isoformat(), "; standard library:", strict)
days = {text: value.date() for text, value in found.items()}
assert days == {"1980-13-01": date(1980, 1, 13), "1980-31-05": date(1980, 5, 31), "1980-12-01": date(1980, 12, 1)}, days
print("as stated: a month that does not exist is taken for the day")
PY
