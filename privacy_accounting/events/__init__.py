"""Events: the closed vocabulary of mechanisms that can be priced, charged and written into the ledger.

    base          Event, Relation, validation
    additive      noise added to a sum: gaussian, laplace, discrete_laplace, discrete_gaussian,
                  distributed_discrete_gaussian, distributed_discrete_laplace, skellam, tree
    guarantees    zcdp, pure, randomized_response, exponential, top_k, poisson_gaussian, poisson,
                  without_replacement_gaussian, repeat_and_select, threshold
    codec         dictionaries and back

The vocabulary may grow; an event never changes its meaning, and its dictionary never changes its form.
"""

from privacy_accounting.events.additive import (
    DiscreteGaussian,
    DiscreteLaplace,
    DistributedDiscreteGaussian,
    DistributedDiscreteLaplace,
    Gaussian,
    Laplace,
    Skellam,
    Tree,
)
from privacy_accounting.events.base import Event, Relation
from privacy_accounting.events.codec import MECHANISMS, event_from_dict, event_or_mistakes, event_to_dict
from privacy_accounting.events.guarantees import (
    ZCDP,
    Exponential,
    Poisson,
    PoissonGaussian,
    Pure,
    RandomizedResponse,
    RepeatAndSelect,
    Threshold,
    TopK,
    WithoutReplacementGaussian,
)

__all__ = [
    "MECHANISMS",
    "ZCDP",
    "DiscreteGaussian",
    "DiscreteLaplace",
    "DistributedDiscreteGaussian",
    "DistributedDiscreteLaplace",
    "Event",
    "Exponential",
    "Gaussian",
    "Laplace",
    "Poisson",
    "PoissonGaussian",
    "Pure",
    "RandomizedResponse",
    "Relation",
    "RepeatAndSelect",
    "Skellam",
    "Threshold",
    "TopK",
    "Tree",
    "WithoutReplacementGaussian",
    "event_from_dict",
    "event_or_mistakes",
    "event_to_dict",
]
