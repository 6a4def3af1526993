"""Renaming and moving code changes no byte: plans, requests, entries, signatures and messages keep their digests.

Where a change of bytes is meant, the format's number rises, and ``python tests/golden/test_golden_bytes.py`` writes
the digests anew.
"""

import hashlib
import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from golden_cases import golden

DIGESTS = Path(__file__).with_name("digests.json")


def digests():
    return {name: hashlib.sha256(data).hexdigest() for name, data in golden().items()}


def test_bytes_are_those_of_the_last_format():
    assert digests() == json.loads(DIGESTS.read_text("utf-8"))


if __name__ == "__main__":
    DIGESTS.write_text(json.dumps(digests(), indent=1) + "\n", encoding="utf-8")
