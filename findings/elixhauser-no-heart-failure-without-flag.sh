#!/usr/bin/env bash
# elixhauser-ahrq 2026.1.3: without present-on-admission flags, no patient has heart failure.
#
# A good engineer expects a patient with the secondary diagnosis I50.9 (heart failure) to get that comorbidity when the
# site has no present-on-admission column, or to be told that it cannot be decided.
# What happens: 18 of the 38 measures, heart failure among them, are plainly False without the flag, and also with an
# empty flag; diabetes of the same patient is found. Nothing is raised.
# Why it matters: most hospitals outside the United States do not keep the flag. Their patients look healthier than those
# of the other sites, and a joint model adjusts for the missing column instead of for the disease.
# The right value: I509 is a heart failure code in the reference table that the package itself ships.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/venv"
python3 -m pip --python "$work/venv/bin/python" install --quiet --no-compile --disable-pip-version-check elixhauser-ahrq==2026.1.3 pandas==2.3.3 numpy==2.4.6 openpyxl==3.1.5
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

from elixhauser_ahrq import ElixhauserLoader, ElixhauserMapper

print("elixhauser-ahrq", version("elixhauser-ahrq"))
loader, mapper = ElixhauserLoader(), ElixhauserMapper()
codes = ["J189", "E119", "I509"]  # pneumonia first, then diabetes and heart failure


def found(flags: list[str] | None) -> list[str]:
    return sorted(name for name, yes in mapper.map_patient_diagnoses(codes, flags).items() if yes)


table = loader.get_codes_for_category("HF").astype(str)
in_table = table.apply(lambda column: column.str.replace(".", "").eq("I509")).to_numpy().any()
needs_flag = loader.get_poa_required_categories()
answers = {"no flags": found(None), "empty flags": found(["", "", ""]), "Y": found(["Y", "Y", "Y"])}
print("I509 is a heart failure code in the package's table:", bool(in_table))
print(f"{len(needs_flag)} measures need the flag")
for name, comorbidities in answers.items():
    print(f"{name}: {comorbidities}")
assert in_table and len(needs_flag) == 18
assert answers["Y"] == ["DIAB_UNCX", "HF"]
assert answers["no flags"] == answers["empty flags"] == ["DIAB_UNCX"], answers
print("as stated: heart failure is False without the flag, not unknown")
PY
