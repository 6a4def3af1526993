#!/usr/bin/env bash
# RapidFuzz 3.14.6: whether two missing names are the same person depends on the scorer: 100 or 0.
#
# A good engineer expects all scorers of one library to treat two empty names alike, best as "no evidence".
# What happens: ratio, partial_ratio, token_sort_ratio, token_ratio and Jaro-Winkler call "" and "" a perfect match (100, or 1.0);
# QRatio, WRatio and token_set_ratio give 0. jellyfish's Jaro-Winkler gives 0.0 for the same pair.
# Why it matters: in record linkage a second name or maiden name is missing for most people. With one scorer all of them agree
# perfectly in it and pairs of strangers pass the threshold; with another no person without a second name is ever linked.
# The right value: neither; a missing name is to be left out of the comparison.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check rapidfuzz==3.14.6 jellyfish==1.3.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import jellyfish
from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler

print("rapidfuzz", version("rapidfuzz"), "jellyfish", version("jellyfish"))
names = ("ratio", "partial_ratio", "token_sort_ratio", "token_ratio", "QRatio", "WRatio", "token_set_ratio")
found = {name: getattr(fuzz, name)("", "") for name in names}
for name, value in found.items():
    print(f"{name:17} {value}")
print("JaroWinkler      ", JaroWinkler.normalized_similarity("", ""), "; jellyfish:", jellyfish.jaro_winkler_similarity("", ""))
assert {name for name, value in found.items() if value == 100} == {"ratio", "partial_ratio", "token_sort_ratio", "token_ratio"}
assert {name for name, value in found.items() if value == 0} == {"QRatio", "WRatio", "token_set_ratio"}
assert JaroWinkler.normalized_similarity("", "") == 1.0 and jellyfish.jaro_winkler_similarity("", "") == 0.0
print("as stated: two missing names match perfectly, or not at all, by the name of the function")
PY
