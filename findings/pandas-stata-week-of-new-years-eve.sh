#!/usr/bin/env bash
# pandas 3.1.1: a Stata weekly date (%tw) of 31 December is written as week 1 of the next year.
#
# A good engineer expects Stata's weeks: 52 a year, of which the last one has eight or nine days, up to 31 December.
# What happens: to_stata counts a 53rd week, whose number is that of week 1 of the next year; in a leap year 30 December goes there too.
# read_stata then gives 1 January, a date after the one that was written.
# Why it matters: deaths and admissions of the last days of a year are counted in the next year, without an error.
# The right value: 31 December 2019 and 30 December 2020 are in week 52 of their own year.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check pandas==3.1.1 numpy==2.4.6 pyreadstat==1.3.7
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import pandas as pd
import pyreadstat

print("pandas", version("pandas"), "pyreadstat", version("pyreadstat"))
days = pd.to_datetime(["2019-12-30", "2019-12-31", "2020-12-29", "2020-12-30"])
pd.DataFrame({"week": days}).to_stata("weeks.dta", convert_dates={"week": "tw"}, write_index=False)
# another reader shows the number in the file: 52 for each year since 1960, and the weeks of the year from 0
numbers = [int(number) for number in pyreadstat.read_dta("weeks.dta")[0]["week"]]
again = [f"{back:%Y-%m-%d}" for back in pd.read_stata("weeks.dta")["week"]]
wanted = [52 * (day.year - 1960) + min(51, (day.day_of_year - 1) // 7) for day in days]
for day, number, right, back in zip(days, numbers, wanted, again, strict=True):
    print(f"{day:%Y-%m-%d}  written as {1960 + number // 52} week {number % 52 + 1:2}  Stata's week {1960 + right // 52} {right % 52 + 1}  read again {back}")
assert wanted == [3119, 3119, 3171, 3171], wanted
assert numbers == [3119, 3120, 3171, 3172], numbers
assert again == ["2019-12-24", "2020-01-01", "2020-12-23", "2021-01-01"], again
print("as stated: New Year's Eve is in the next year")
PY
