import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hospitals import THREE, in_processes, in_threads

KINDS = ["threads", "processes", "threads without a dealer"]
KINDS.append(pytest.param("processes without a dealer", marks=pytest.mark.slow))


@pytest.fixture(scope="module", params=KINDS)
def session(request, tmp_path_factory):
    """The same consortium over memory channels and over real TLS processes, with a dealer or three sites that compute."""
    settings = {"three_sites": THREE} if request.param.endswith("dealer") else {}
    if request.param.startswith("threads"):
        with in_threads(**settings) as opened:
            yield opened
    else:
        with in_processes(tmp_path_factory.mktemp("consortium") / "here", **settings) as opened:
            yield opened


@pytest.fixture
def private_world():
    """A consortium of threads for one test alone."""
    with in_threads() as opened:
        yield opened


@pytest.fixture(scope="module", autouse=True)
def _one_key(one_key_for_all):
    """Consortia that are made here share a key."""
