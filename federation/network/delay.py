"""A distance between all members of a consortium, for tests and measurements on one machine.

Layer:       federation.network.delay.
Terms:       the distance is the time that every message is under way, one way; half a round trip.
Guarantees:  off unless the environment of a process asks for it, and then said in its log; no file can turn it on. It
             changes when messages arrive, never what is in them.
See instead: where the time is spent (``smpc.transport``).
"""

from __future__ import annotations

import logging
import os
import re
from typing import Final

from federation.errors import ConfigError

LOG: Final = logging.getLogger(__name__)
VARIABLE: Final = "CROSSWARD_TEST_DELAY_MS"


def distance_s() -> float:
    """The distance that this process's environment asks for (s), mostly 0.

    Raises:
        ConfigError: it asks for something that is no number of milliseconds below 1,000.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return 0.0
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", text):
        raise ConfigError(mistakes=[f"{VARIABLE} must be milliseconds below 1000, such as 10 or 2.5"])
    LOG.warning("every message is held back for %s ms, as %s says", text, VARIABLE)
    return float(text) / 1000
