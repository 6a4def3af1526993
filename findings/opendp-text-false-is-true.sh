#!/usr/bin/env bash
# opendp 0.16.0: the text "false" is cast to True.
#
# A good engineer expects make_cast_default from text to bool to read "true" and "false" (and to use the default for what
# it cannot read, as it does for numbers: "abc" becomes 0).
# What happens: every text that is not empty is True: "false", "no", "0" and "abc". Only "" is False.
# Why it matters: yes/no columns of hospital exports are text. A private count of "diabetes = true" then counts everybody who
# has an entry; noise hides that the figure is wrong, and the budget is spent.
# The right value: the number of texts "true", counted by hand: 2 of 6.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check opendp==0.16.0
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import opendp.prelude as dp

dp.enable_features("contrib")
print("opendp", version("opendp"))
answers = ["true", "true", "false", "no", "0", ""]
text = dp.vector_domain(dp.atom_domain(T=str)), dp.symmetric_distance()
as_bool = text >> dp.t.then_cast_default(TOA=bool)
as_int = text >> dp.t.then_cast_default(TOA=int)
read = list(as_bool(answers))
print(list(zip(answers, read)))
print("diabetes = true, by hand:", answers.count("true"), " after the cast:", sum(read), " number from 'abc':", list(as_int(["abc"])))
assert list(as_int(["abc", "7"])) == [0, 7]
assert answers.count("true") == 2
assert read == [True, True, True, True, True, False], read
print("as stated: every text but the empty one is True")
PY
