"""Models that torch computes, one file each; the only place of the product that imports torch besides ``smpc``. Lowest first.

module            any module of torch as a model: its checks, its units' gradients, its predictions
residual_network  a network with residual blocks
"""
