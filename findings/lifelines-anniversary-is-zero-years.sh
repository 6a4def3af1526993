#!/usr/bin/env bash
# lifelines 0.30.3: from 28 Feb 2019 to 28 Feb 2020 is 0 years and 11 months.
#
# A good engineer expects lifelines.utils.datetimes_to_durations(freq="Y") to count whole calendar years and
# freq="M" whole calendar months: 1 and 12 here.
# What happens: the days are divided by the mean length of a year (365.2425 days) or month (30.436875 days) and cut
# down, so a full year of 365 days is 0 years and 11 months, and 31 Jan to 1 Mar is 0 months.
# Why it matters: follow-up "at one year" is the commonest time point in hospital studies. Three years out of four
# the anniversary falls into the year before, and sites that count on the calendar disagree with sites that use this.
# The right value: calendar counting, written out here with the standard library.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check lifelines==0.30.3 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
"$work/venv/bin/python" - <<'PY'
import warnings
from datetime import date
from importlib.metadata import version

from lifelines.utils import datetimes_to_durations

warnings.simplefilter("ignore")
print("lifelines", version("lifelines"))


def whole_months(start: date, end: date) -> int:
    return (end.year - start.year) * 12 + end.month - start.month - (end.day < start.day)


pairs = [("2019-02-28", "2020-02-28"), ("2021-01-01", "2022-01-01"), ("2020-01-01", "2021-01-01"), ("2020-01-15", "2020-02-15")]
starts, ends = [list(side) for side in zip(*pairs)]
years, _ = datetimes_to_durations(starts, ends, freq="Y")
months, _ = datetimes_to_durations(starts, ends, freq="M")
calendar = [whole_months(date.fromisoformat(a), date.fromisoformat(b)) for a, b in pairs]
for pair, y, m, c in zip(pairs, years, months, calendar):
    print(*pair, f"lifelines: {y:.0f} years, {m:.0f} months; calendar: {c // 12} years, {c} months")
assert [c // 12 for c in calendar] == [1, 1, 1, 0] and calendar == [12, 12, 12, 1]
assert years.tolist() == [0, 0, 1, 0], years
assert months.tolist() == [11, 11, 12, 1], months
print("as stated: a year of 365 days counts as none, one of 366 days as one")
PY
