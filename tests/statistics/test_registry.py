"""The registries load what they name, and a process loads only what it uses."""

import subprocess
import sys

from analytics.statistics.base import Statistic
from analytics.statistics.registry import STATISTICS
from federation.requests.kinds.registry import KINDS


def test_every_line_of_the_registry_is_a_statistic_of_that_name():
    assert len(STATISTICS) == len(set(STATISTICS))
    for name in STATISTICS:
        assert issubclass(STATISTICS[name], Statistic)
        assert STATISTICS[name].name == name
    assert "nothing" not in STATISTICS


def test_every_kind_has_its_name():
    assert [kind().name for kind in KINDS.values()] == list(KINDS)


def test_a_client_that_asks_in_sql_loads_neither_statistics_nor_mining_nor_training():
    text = "import sys, federation.client.connect, federation.client.session; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout
    loaded = set(shown.split())
    assert not {kind.__module__ for kind in STATISTICS.values()} & loaded
    others = ("analytics.mining.plan", "federation.training", "federation.paillier", "smpc.cost")
    assert not [name for name in loaded if name.startswith(others)]
    assert "federation.client.session" in loaded
