"""A fixed message delay between all members of a consortium, for tests and measurements on one machine.

Layer:       federation.network.delay.
Terms:       the delay is the one-way travel time of every message: half a round trip.
Guarantees:  off unless an environment variable of the process sets it, and then logged; no file can turn it on. It
             changes when messages arrive, never their content.
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
    """The one-way delay set by this process's environment (s); 0 by default.

    Raises:
        ConfigError: the value is not a number of milliseconds below 1,000.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return 0.0
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", text):
        raise ConfigError(mistakes=[f"{VARIABLE} must be milliseconds below 1000, such as 10 or 2.5"])
    LOG.warning("every message is delayed by %s ms, as set by %s", text, VARIABLE)
    return float(text) / 1000
