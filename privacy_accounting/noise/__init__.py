"""Exact integer noise from system entropy.

    source      where bytes come from
    bernoulli   coins of exact probability
    laplace     discrete_laplace
    polya       laplace_share: one party's share of a discrete Laplace variable
    gaussian    discrete_gaussian
    vector      integer_noise, noise_share: a site's noise for a vector of figures

Samplers are not constant in time: draw ahead of a request, never while its time can be measured. Noise is used
once.
"""

from privacy_accounting.noise.gaussian import discrete_gaussian
from privacy_accounting.noise.laplace import discrete_laplace
from privacy_accounting.noise.polya import laplace_share
from privacy_accounting.noise.source import ByteSource, SystemSource
from privacy_accounting.noise.vector import integer_noise, local_sigma2, noise_share

__all__ = [
    "ByteSource",
    "SystemSource",
    "discrete_gaussian",
    "discrete_laplace",
    "integer_noise",
    "laplace_share",
    "local_sigma2",
    "noise_share",
]
