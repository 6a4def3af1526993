"""The group of the set intersection against the vectors of RFC 9496, and what it refuses."""

import hashlib

import pytest

from smpc.errors import PeerRejectedError
from smpc.set_intersection import group

MULTIPLES = (  # RFC 9496, A.1: 1, 2, 3, 4, 5 and 15 times the generator
    (1, "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76"),
    (2, "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919"),
    (3, "94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259"),
    (4, "da80862773358b466ffadfe0b3293ab3d9fd53c5ea6c955358f568322daf6a57"),
    (5, "e882b131016b52c1d3337080187cf768423efccbb517bb495ab812c4160ff44e"),
    (15, "e0c418f7c8d9c4cdd7395b93ea124f3ad99021bb681dfc3302a9d99a2e53e64e"),
)
HASHED = (  # RFC 9496, A.3: of SHA-512 of the label
    (
        "Ristretto is traditionally a short shot of espresso coffee",
        "3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46",
    ),
    (
        "made with the normal amount of ground coffee but extracted with",
        "f26e5b6f7d362d2d2a94c5d0e7602cb4773c95a2e5c31a64f133189fa76ed61b",
    ),
    (
        "about half the amount of water in the same amount of time",
        "006ccd2a9e6867e6a2c5cea83d3302cc9de128dd2a9a57dd8ee7b9d7ffe02826",
    ),
    ("by using a finer grind.", "f8f0c87cf237953c5890aec3998169005dae3eca1fbb04548c635953c817f92a"),
    (
        "This produces a concentrated shot of coffee per volume.",
        "ae81e7dedf20a497e10c304a765c1767a42d6e06029758d2d7e8ef7cc4c41179",
    ),
    (
        "Just pulling a normal shot short will produce a weaker shot",
        "e2705652ff9f5e44d3e841bf1c251cf7dddb77d140870d1ab2ed64f1a9ce8628",
    ),
    (
        "and is not a Ristretto as some believe.",
        "80bd07262511cdde4863f8a7434cef696750681cb9510eea557088f76d9e5065",
    ),
)
REFUSED = {  # RFC 9496, A.2, and the identity
    "identity": "00" * 32,
    "field element not reduced": "00" + "ff" * 31,
    "field element not reduced, high bit clear": "f3" + "ff" * 30 + "7f",
    "negative field element": "01" + "00" * 31,
    "no square: on the twist": "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
    "negative xy": "3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e",
    "s = -1": "ec" + "ff" * 30 + "7f",
}


@pytest.mark.parametrize(("factor", "encoding"), MULTIPLES)
def test_multiples_of_the_generator_are_those_of_the_rfc(factor, encoding):
    assert group.base_multiple(factor.to_bytes(32, "little")).hex() == encoding


@pytest.mark.parametrize(("factor", "encoding"), MULTIPLES[1:])
def test_a_multiple_of_an_element_is_the_multiple_of_the_generator(factor, encoding):
    one = bytes.fromhex(MULTIPLES[0][1])
    assert group.multiple(factor.to_bytes(32, "little"), one).hex() == encoding


@pytest.mark.parametrize(("label", "encoding"), HASHED)
def test_hashing_to_the_group_is_that_of_the_rfc(label, encoding):
    assert group.hash_to_group(hashlib.sha512(label.encode()).digest()).hex() == encoding


@pytest.mark.parametrize("encoding", REFUSED.values(), ids=REFUSED)
def test_invalid_elements_and_the_identity_are_refused(encoding):
    element = bytes.fromhex(encoding)
    with pytest.raises(PeerRejectedError):
        group.check_element(element)
    with pytest.raises(PeerRejectedError):
        group.multiple(group.fresh_scalar(), element)
    good = bytes.fromhex(MULTIPLES[3][1])
    with pytest.raises(PeerRejectedError):
        group.multiples(group.fresh_scalar(), good + element + good)
    with pytest.raises(PeerRejectedError):
        group.check_elements(good + element)


def test_an_element_of_another_length_is_refused():
    for length in (0, 31, 33):
        with pytest.raises(PeerRejectedError):
            group.check_element(bytes.fromhex(MULTIPLES[0][1] + "00")[:length])


def test_keys_are_drawn_anew_and_multiplication_commutes():
    one, other = group.fresh_scalar(), group.fresh_scalar()
    assert one != other
    element = group.hash_to_group(hashlib.sha512(b"x").digest())
    left = group.multiple(one, group.multiple(other, element))
    assert left == group.multiple(other, group.multiple(one, element))
    assert left == group.multiple(group.scalar_product(one, other), element)
