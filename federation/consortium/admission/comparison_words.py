"""Eight words that two people compare over the telephone before either trusts the other's key.

Layer:       federation.consortium.admission.comparison_words. Pure.
Guarantees:  both sides get the same words only if both hold the same invitation and the same key of the new member: the
             invitation names the founder's authority, the new member and the one-time token. Whoever exchanged a file on
             its way would have to find a key with the same 64 bits, and each try costs one ``scrypt``.
See instead: the files that the words protect (``invitations``).
Source:      RFC 7914 (scrypt). The list is ours: 256 words of common English, of which no two begin with the same three
             letters.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from federation.errors import FoundingRefusedError

COUNT: Final = 8
WORDS: Final = tuple(
    """
    acid actor adult again agree album alive amber angle ankle apple april arena armor arrow atlas atom autumn
    avenue awake bacon badge balance bamboo banana barrel basket battle beach bedtime beef begin below berry
    bicycle bishop black blend blood body bonus border bottle bracket bread bridge broom bucket buffalo bullet
    butter cabin cactus camera candle carbon castle cattle cedar cement chair cheese chimney choir cinema circle
    city clever clinic cloud cobalt coffee comet copper corner cotton cousin crab cricket crystal cube curtain
    cycle dancer daughter decade degree denim desert dinner doctor dolphin donkey dragon dream duck eagle early
    east echo eclipse editor eight elbow eleven email emerald empty engine envelope equal escape evening exam
    eyebrow fabric family farmer feather fence festival fiction figure finger fire fish flag flower forest
    fossil fountain frame frog fruit funnel future galaxy garden gather gentle ghost giant ginger glass gossip
    grape guitar habit hammer harvest helmet hero hidden honey hotel human hundred icon igloo image index insect
    iron island ivory jacket jelly jigsaw jungle kettle kitchen ladder lemon library lizard lobster lumber
    machine magnet market meadow melon metal midnight mirror monkey mountain museum napkin needle nickel noodle
    north number oak ocean october office olive onion orange oven owner paddle panther parrot pencil pepper
    piano pigeon pillow planet pocket potato pumpkin puzzle quartz quiet rabbit radio raven reason ribbon river
    rocket saddle salmon sandwich saturn school seven shadow silver sketch smoke snow socket spider square stone
    sugar summer sunday table temple thunder tiger tomato tunnel turtle uncle valley velvet violin wagon walnut
    """.split()  # noqa: SIM905  a list would be 256 lines
)
_COST: Final = {"n": 2**14, "r": 8, "p": 1, "maxmem": 2**26}
_SALT: Final = b"crossward/comparison-words/1"


def comparison_words(*, invitation: str, public_key: str) -> tuple[str, ...]:
    """Derive the words of one member's admission.

    Args:
        invitation: digest of the invitation, hex; it covers the founder's fingerprint, the member's name and the token.
        public_key: the new member's Ed25519 key, hex.

    Returns:
        Eight words, 64 bits.
    """
    secret = bytes.fromhex(invitation) + bytes.fromhex(public_key)
    return tuple(WORDS[index] for index in hashlib.scrypt(secret, salt=_SALT, dklen=COUNT, **_COST))


def check_words(said: str, words: tuple[str, ...], *, name: str) -> None:
    """Compare what a person read out with this side's words; case and punctuation do not count.

    Args:
        said: the words of the other side.
        words: this side's.
        name: the member they are for.

    Raises:
        FoundingRefusedError: they are not the same eight words in the same order; the error tells none of them.
    """
    heard = tuple(re.findall(r"[a-z]+", said.lower()))
    if len(heard) != COUNT:
        raise FoundingRefusedError(reason=f"the words for {name} are {COUNT}, not {len(heard)}")
    if heard != words:
        raise FoundingRefusedError(
            reason=f"the words for {name} differ: read them out again; if they still differ, a file was exchanged on "
            "its way, so write a new invitation and send it another way"
        )
