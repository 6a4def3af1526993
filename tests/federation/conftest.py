import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hospitals import in_processes, in_threads


@pytest.fixture(scope="module", params=["threads", "processes"])
def session(request, tmp_path_factory):
    """The same consortium over memory channels and over real TLS processes."""
    if request.param == "threads":
        with in_threads() as opened:
            yield opened
    else:
        with in_processes(tmp_path_factory.mktemp("consortium") / "here") as opened:
            yield opened


@pytest.fixture
def private_world():
    """A consortium of threads for one test alone."""
    with in_threads() as opened:
        yield opened
