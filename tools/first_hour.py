"""Four strangers, each with a tutorial, an empty folder and an empty home: what they type, how long the machine takes.

``make first-hour`` prints the table; ``--write`` puts it into docs/first-hour.md too. 1 where a page differs from what comes
back, or where the machine alone takes longer than the whole time of that person.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from tools.tutorial import ROOT, Done, run_page

MINUTES = {"analyst": 5, "author": 10, "auditor": 5, "administrator": 10}
PAGE = ROOT / "docs" / "first-hour.md"
TABLE = re.compile(r"^\| who \|.*?\n\n", re.MULTILINE | re.DOTALL)


def table_of(found: dict[str, Done]) -> str:
    """Return the table of the page."""
    lines = [
        "| who | commands | files written | seconds of machine | minutes allowed |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| [{role}](tutorials/{role}.md) | {done.commands} | {done.files} | {done.seconds:.0f} | {MINUTES[role]} |"
        for role, done in found.items()
    ]
    return "\n".join(lines) + "\n\n"


def main() -> int:
    """Run all roles, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("roles", nargs="*", choices=[*MINUTES, []], help="all, if left out")
    parser.add_argument("--write", action="store_true", help="put the table into docs/first-hour.md")
    arguments = parser.parse_args()
    found, wrong = {}, 0
    for role in arguments.roles or MINUTES:
        done = found[role] = run_page(ROOT / "docs" / "tutorials" / f"{role}.md", Path(sys.prefix) / "bin")
        for difference in done.differences:
            print(f"{role}: {difference}", file=sys.stderr)
        wrong += len(done.differences) + (done.seconds > MINUTES[role] * 60)
    print(table_of(found), end="")
    if arguments.write and len(found) == len(MINUTES):
        PAGE.write_text(TABLE.sub(lambda _: table_of(found), PAGE.read_text("utf-8")), "utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
