import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile(
    "ci",
    max_examples=20,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# tests/examples.py multiplies under this name; a law without a number of its own has this many
settings.register_profile("long", max_examples=500, deadline=None)
settings.register_profile("night", max_examples=2_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(scope="session")
def small_key():
    """A Paillier key that is too short for anything but tests."""
    from federation.paillier.keys import generate_private_key

    return generate_private_key(testing_bits=512)


@pytest.fixture(scope="session")
def foreign_key():
    """Another one."""
    from federation.paillier.keys import generate_private_key

    return generate_private_key(testing_bits=512)


@pytest.fixture(scope="module")
def one_key_for_all():
    """Every consortium that is made in this process has the same Paillier key, of the smallest size that is allowed.

    To make one takes seconds. Keys are tested in tests/paillier; a conftest below lets its folder use this.
    """
    from federation.client.local import _key

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("federation.paillier.key_files.generate_private_key", lambda **_: _key())
        yield


SHARE_SESSIONS = {"audit", "cli", "federation", "operations"}
OF_THE_STORE = {"test_kept_answers.py", "test_answer_store.py", "test_by_accuracy.py"}


@pytest.fixture(autouse=True)
def every_private_answer_is_paid_for(request, monkeypatch):
    """Tests share a session, in an order that changes; an earlier answer of another test must not make one free."""
    is_of_the_store = request.path.name in OF_THE_STORE or "free_from_the_store" in request.node.name
    if request.path.parent.name not in SHARE_SESSIONS or is_of_the_store:
        return
    from federation.client.kept.kept_answers import KeptAnswers

    answer, paid = KeptAnswers.answer, KeptAnswers.paid
    monkeypatch.setattr(
        KeptAnswers, "answer", lambda *given, fresh, **more: answer(*given, fresh=True, **more)
    )
    monkeypatch.setattr(KeptAnswers, "paid", lambda *given, fresh, **more: paid(*given, fresh=True, **more))


def pytest_configure(config):
    """Keep the order of tests in a file: some share one session, whose budget and kept answers they build on."""
    if hasattr(config.option, "randomly_reorganize"):
        config.option.randomly_reorganize = False
