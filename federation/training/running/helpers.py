"""The public key that the consortium file pins, and the names of the two helpers.

Layer:       federation.training.running.helpers, above ``federation.paillier.keys``. Pure.
Guarantees:  no site encrypts under a key that came over the wire: the modulus stands in the agreement that all
             members compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.errors import ConfigError
from federation.paillier.keys import PublicKey
from federation.training.site_worker import Helpers
from federation.training.task import SHARES

if TYPE_CHECKING:
    from federation.consortium.consortium_file import Consortium
    from federation.training.task import TrainingTask


def pinned_key(consortium: Consortium) -> PublicKey:
    """Return the key holder's public key.

    Raises:
        ConfigError: the consortium has no key holder.
        KeyMismatchError: the modulus, or the base of a key of short exponents, is not fit for use.
    """
    keyholder = consortium.file.keyholder
    if keyholder is None:
        raise ConfigError(mistakes=["training needs a key holder, and this consortium has none"])
    return PublicKey(int(keyholder.paillier_modulus, 16), base=int(keyholder.paillier_base or "0", 16))


def key_of(consortium: Consortium) -> PublicKey | None:
    """Return the key holder's public key; None where the consortium has no key holder or no aggregator.

    Raises:
        KeyMismatchError: as ``pinned_key``.
    """
    if consortium.file.keyholder is None or consortium.file.aggregator is None:
        return None
    return pinned_key(consortium)


def helpers_for(task: TrainingTask, consortium: Consortium) -> Helpers:
    """Return the helpers of a task: none where the sites add up among themselves.

    Raises:
        ConfigError: as ``helpers_of``.
    """
    if task.aggregation == SHARES:
        return no_helpers(consortium)
    return helpers_of(consortium)


def no_helpers(consortium: Consortium) -> Helpers:
    """Return the deadline alone."""
    return Helpers(aggregator="", keyholder="", deadline_s=float(consortium.file.deadline_s))


def helpers_of(consortium: Consortium) -> Helpers:
    """Return aggregator and key holder.

    Raises:
        ConfigError: the consortium lacks one of them.
    """
    aggregator, keyholder = consortium.file.aggregator, consortium.file.keyholder
    if aggregator is None or keyholder is None:
        raise ConfigError(mistakes=["training needs an aggregator and a key holder in the consortium file"])
    return Helpers(
        aggregator=aggregator.name, keyholder=keyholder.name, deadline_s=float(consortium.file.deadline_s)
    )
