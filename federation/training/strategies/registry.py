"""The strategies by the names that tasks use. A new strategy is one file and one line here.

Layer:       federation.training.strategies.registry, the topmost module of strategies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from federation.training.strategies.adaptive import Adagrad, Adam, Yogi
from federation.training.strategies.buffered import Buffered
from federation.training.strategies.compressed import Compressed
from federation.training.strategies.ditto import Ditto
from federation.training.strategies.fedavg import FedAvg
from federation.training.strategies.fedbn import FedBN
from federation.training.strategies.fedprox import FedProx
from federation.training.strategies.local_adam import LocalAdam
from federation.training.strategies.own_heads import OwnHeads
from federation.training.strategies.q_fair import QFair
from federation.training.strategies.scaffold import Scaffold
from federation.training.strategies.sum_gradient import SumGradient

if TYPE_CHECKING:
    from federation.training.strategies.base import Strategy

DEFAULT_STRATEGY: Final = SumGradient.name
STRATEGIES: Final[dict[str, Strategy]] = {
    strategy.name: strategy
    for strategy in (
        SumGradient(),
        Adagrad(),
        Adam(),
        Yogi(),
        FedAvg(),
        FedProx(),
        LocalAdam(),
        Compressed(),
        OwnHeads(),
        FedBN(),
        Scaffold(),
        Ditto(),
        QFair(),
        Buffered(),
    )
}
