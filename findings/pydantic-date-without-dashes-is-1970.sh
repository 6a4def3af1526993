#!/usr/bin/env bash
# pydantic 2.14.4: the date 20200101, as HL7 and DICOM write it, is read as 22 August 1970.
#
# A good engineer expects "20200101" to be 1 January 2020 (ISO 8601's basic form, the only form of HL7 version 2 and of
# DICOM) or to be refused: the field is a date with a time, and the value is text.
# What happens: text of digits only counts as seconds since 1970, so 20200101 is 1970-08-22 19:08:21 UTC. Python's own
# datetime.fromisoformat reads 1 January 2020. A field of type date refuses the same text with a message about "zero time",
# except where the seconds happen to end a day: "20217600" (no date at all) becomes 1970-08-23.
# Why it matters: every visit of the years 2000 to 2099 lands between 20 August and 1 September 1970, with no error.
# The right value: the day that stands in the text.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check pydantic==2.14.4
cd "$work"
"$work/venv/bin/python" - <<'PY'
from datetime import date, datetime
from importlib.metadata import version

from pydantic import TypeAdapter, ValidationError

print("pydantic", version("pydantic"))
moment, day = TypeAdapter(datetime), TypeAdapter(date)
found = {text: moment.validate_python(text) for text in ("20000101", "20200101", "20991231")}
for text, value in found.items():
    print(text, "->", value.isoformat(), "; standard library:", datetime.fromisoformat(text).isoformat())
assert datetime.fromisoformat("20200101") == datetime(2020, 1, 1)
assert found["20200101"].isoformat() == "1970-08-22T19:08:21+00:00", found
assert all(value.year == 1970 and value.month in (8,) for value in found.values()), found
try:
    day.validate_python("20200101")
except ValidationError as error:
    print("as a date:", error.errors()[0]["msg"])
else:
    raise AssertionError("a date field takes it now")
whole_day = day.validate_python("20217600")
print("20217600 as a date ->", whole_day.isoformat())
assert whole_day == date(1970, 8, 23), whole_day
print("as stated: a date without dashes is a number of seconds")
PY
