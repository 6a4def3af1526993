#!/usr/bin/env bash
# python-calamine 0.9.1: -30 and -1 in cells of a date format are both the time 00:00, and -1.5 is 12:00.
#
# A good engineer expects a number, an error, or the date that openpyxl gives (30 November 1899): a difference of two dates in
# Excel takes their date format by itself, and is negative where the second one is earlier.
# What happens: the days are dropped, and a time of day is left. pandas.read_excel with this engine gives the same.
# Why it matters: "days from operation to infection" of -30, -1 and 0 become one value, and -1.5 becomes noon, without an error.
# The right value: the numbers -30, -1, -1.5.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check python-calamine==0.9.1 openpyxl==3.1.5 pandas==3.1.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
from datetime import time
from importlib.metadata import version

import openpyxl
import pandas as pd
from python_calamine import CalamineWorkbook

print("python-calamine", version("python-calamine"), "openpyxl", version("openpyxl"), "pandas", version("pandas"))
days = [-30, -1, -1.5, 0]
book = openpyxl.Workbook()
for row, number in enumerate(days, 1):
    book.active.cell(row, 1, number).number_format = "yyyy-mm-dd"
book.save("days.xlsx")
seen = [row[0] for row in CalamineWorkbook.from_path("days.xlsx").get_sheet_by_index(0).to_python()]
other = [row[0].value for row in openpyxl.load_workbook("days.xlsx").active.iter_rows()]
frame = pd.read_excel("days.xlsx", header=None, engine="calamine")[0].tolist()
for number, one, two, three in zip(days, seen, other, frame, strict=True):
    print(f"{number:6}  calamine {one}  pandas {three}  openpyxl {two}")
assert seen == [time(0), time(0), time(12), time(0)], seen
assert frame == seen, frame
print("as stated: 30 days before, one day before and the same day are all midnight")
PY
