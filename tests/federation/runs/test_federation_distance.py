"""A simulated network delay for a whole consortium of processes, set by the environment."""

import time

import pytest
from hospitals import BY_SEX, in_processes

from federation.errors import ConfigError
from federation.network.delay import VARIABLE, distance_s
from tests.smpc.pace import is_within

DELAY_S = 0.05


def test_it_is_off_unless_the_environment_asks(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert distance_s() == 0.0
    for text, seconds in (("10", 0.01), ("2.5", 0.0025), ("0", 0.0)):
        monkeypatch.setenv(VARIABLE, text)
        assert distance_s() == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["-1", "1e3", "1000", "ten", " 5", "0x10", "nan", "5.", "1.2345"])
def test_anything_else_in_it_is_refused(monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ConfigError):
        distance_s()


@pytest.mark.slow
def test_the_same_question_takes_its_rounds_times_the_distance(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, f"{DELAY_S * 1000:g}")
    with in_processes(tmp_path / "here") as session:
        for _ in range(2):
            result = session.sql(BY_SEX, exact=True)
        begin = time.monotonic()
        again = session.sql(BY_SEX, exact=True)
        seconds = time.monotonic() - begin
    assert [row[1] for row in result.rows] == [row[1] for row in again.rows] == [194, 726]
    # the sites' rounds; besides, ask, charge and run go there and back, and the session is opened
    fewest = again.receipt["rounds"] + 2 + 2 + 2
    assert fewest * DELAY_S < seconds
    assert is_within(seconds, 4 * fewest * DELAY_S + 1)
