import threading
import time

import pytest

from federation.setup.create import create_consortium
from tests.setup.setup_world import make_sites, make_terms


def wait_until(condition, limit_s=5.0):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def consortium_folder(tmp_path):
    return create_consortium(tmp_path / "trial", terms=make_terms(), sites=make_sites("anna", "bert", "carl"))


@pytest.fixture
def no_threads_left():
    before = set(threading.enumerate())
    yield
    wait_until(lambda: not (set(threading.enumerate()) - before))


@pytest.fixture(scope="module", autouse=True)
def _one_key(one_key_for_all):
    """Consortia that are made here share a key."""
