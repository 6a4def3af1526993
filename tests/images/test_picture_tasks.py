"""The tasks of the examples against their targets, over dealings of pictures to training and test; minutes each, slow."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.images.tasks import federated, pooled

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "target"),
    [("nuclei enhancement", 30.3), ("mri enhancement", 29.0)],
)
def test_networks_without_epsilon_reach_their_targets_and_pooled_training(name, target):
    """Within a hundredth of the same network where all pictures are in one place."""
    model, figure = federated(name, 0)
    assert figure >= target
    assert figure >= 0.99 * pooled(name, 0, model)


@pytest.mark.parametrize("deal", [0, 1, 2])
def test_a_network_over_sites_is_within_a_hundredth_of_the_pooled_one_in_each_dealing(deal):
    model, figure = federated("nuclei segmentation", deal)
    assert figure >= 0.92 - 0.02 * (deal > 0)
    assert figure >= 0.99 * pooled("nuclei segmentation", deal, model)


@pytest.mark.parametrize(("epsilon", "target"), [(8, 0.85), (2, 0.84)])
def test_sixteen_parameters_reach_their_targets_with_an_epsilon_for_each_tile(epsilon, target):
    """The median of five runs. Views, rate and clip were chosen on the held-out tiles of this dealing."""
    from nuclei_segmentation import PRIVATE, trained

    scores = []
    for _ in range(5):
        model, tiles, masks = trained(epsilon=epsilon, **PRIVATE)
        scores.append(model.score(tiles, masks))
    assert model.n_parameters_ <= 100
    assert np.median(scores) >= target, scores
