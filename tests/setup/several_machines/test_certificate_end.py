"""A certificate that ends soon is named in days, and the node's log says so once a day."""

import logging
import threading
from datetime import UTC, datetime, timedelta

import pytest

from federation.identity.authority import Authority
from federation.identity.certificates import Identity
from federation.node.site_process import _watch

NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority():
    return Authority.create("heart", now=datetime.now(UTC) - timedelta(days=10))


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(days=400), ""),
        (timedelta(days=60), ""),
        (
            timedelta(days=60) - timedelta(seconds=1),
            "the certificate of bert ends in 59 days, on 2028-06-30",
        ),
        (timedelta(days=1), "the certificate of bert ends in 1 day, on 2028-06-30"),
        (timedelta(hours=5), "the certificate of bert ends in 0 days, on 2028-06-30"),
        (timedelta(), "the certificate of bert ended on 2028-06-30"),
        (timedelta(days=-3), "the certificate of bert ended on 2028-06-30"),
    ],
)
def test_the_days_left_are_named_from_sixty_on(authority, left, said):
    who = Identity.from_pem(authority.issue("bert", "site", now=NOW, days=730))
    assert who.ends_soon(who.valid_until - left) == said


class Days(threading.Event):
    """A node that runs for some days."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def wait(self, timeout=None):
        assert timeout == 0
        self.number -= 1
        return self.number == 0


@pytest.mark.parametrize(("days", "lines"), [(59, 3), (61, 0)])
def test_the_log_of_a_node_names_it_once_a_day(authority, caplog, days, lines):
    who = Identity.from_pem(authority.issue("bert", "site", days=days))
    with caplog.at_level(logging.WARNING):
        _watch(who, Days(3), every_s=0)  # a day that lasts no time
    assert [line.split(" ends in ")[0] for line in caplog.messages] == ["the certificate of bert"] * lines
