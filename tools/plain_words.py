"""Refuse words that stand for a term of the field: each has a plain name in docs/glossary.md.

Read by ``make lint``: every tracked text of the project but the glossary, the licence, data and this file.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORDS = (
    *("desk", "courier", "errand", "pulse", "nursery", "bell", "bent", "wedge"),
    *("dear", "earnest", "nobody", "somebody", "door", "room", "roof", "story"),
)
# whole words, also inside names_like_this; a plural counts as its word
FOUND = re.compile(rf"(?<![A-Za-z])({'|'.join(WORDS)})s?(?![A-Za-z])", re.IGNORECASE)
TEXTS = {".py", ".md", ".toml", ".j2", ".sh"}
SKIPPED = {"docs/glossary.md", "tools/plain_words.py"}


def texts() -> list[Path]:
    """Every text that people read, tracked or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [ROOT / name for name in listed if Path(name).suffix in TEXTS and name not in SKIPPED]


def main() -> int:
    """Print each such word with its place; 1 where there is one."""
    found = 0
    for path in texts():
        if not path.exists():
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            for match in FOUND.finditer(line):
                print(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
                found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
