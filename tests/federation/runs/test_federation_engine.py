"""Each kind of joint computation uses CrypTen's tensors at every site, and equals numpy."""

import threading
from collections import Counter
from contextlib import contextmanager

import pytest

from smpc.engine import arithmetic
from tests.federation.hospitals import NAMES, in_threads

QUESTIONS = {
    "private sums": lambda session: session.sql(
        "SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex", epsilon=5
    ),
    "guarded counts": lambda session: session.sql(
        "SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex", exact=True
    ),
    "mining": lambda session: session.table("patients").frequent_itemsets(
        items=["sex=M", "disease", "exang"], min_support=0.2, exact=True
    ),
}


@contextmanager
def counted(monkeypatch):
    """Count what CrypTen's tensors add and multiply."""
    found = Counter()
    lock = threading.Lock()
    for name in ("add", "subtract", "multiply"):
        original = getattr(arithmetic.CrypTenArithmetic, name)

        def method(self, *arguments, name=name, original=original):
            with lock:
                found[name] += 1
            return original(self, *arguments)

        monkeypatch.setattr(arithmetic.CrypTenArithmetic, name, method)
    yield found


@pytest.mark.parametrize("kind", QUESTIONS)
def test_each_kind_of_request_reaches_crypten_at_every_site(kind, monkeypatch):
    with counted(monkeypatch) as found, in_threads() as session:
        answer = QUESTIONS[kind](session)
    assert found["add"] >= len(NAMES)
    # mining multiplies bits alone, in planes; thresholds are subtracted
    if kind not in {"private sums", "mining"}:
        assert found["multiply"] >= len(NAMES)
    receipt = answer.attrs["receipt"] if hasattr(answer, "attrs") else answer.receipt
    assert receipt["engines"] == dict.fromkeys(NAMES, "crypten")


def test_numpy_where_a_site_chooses_it(monkeypatch):
    with counted(monkeypatch) as found, in_threads(engine="numpy") as session:
        answer = QUESTIONS["guarded counts"](session)
    assert not found
    assert set(answer.receipt["engines"].values()) == {"numpy"}
