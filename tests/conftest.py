import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile(
    "ci",
    max_examples=60,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
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
