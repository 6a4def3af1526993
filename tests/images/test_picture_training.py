"""Models of pictures: what one patient adds, what is refused, a run over three sites, files and figures."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import federation
from analytics.errors import InvalidRequestError
from analytics.schema import Schema
from federation.errors import ConfigError
from federation.training.encodings.features import Cases
from federation.training.encodings.picture_features import encode
from federation.training.estimators import estimator_of
from federation.training.local_update import GRID, quantized
from federation.training.models.registry import MODELS
from federation.training.picture_scores import dice_of, hausdorff95, mask_scores, psnr, ssim
from federation.training.task import TrainingTask
from tests.images.picture_files import nuclei_file

pytest.importorskip("torch")
SCHEMA = {
    "tables": {
        "tiles": {
            "privacy_unit": "patient",
            "max_rows_per_unit": 2,
            "max_sites_per_unit": 1,
            "rows_max": 8,
            "columns": {"ill": {"type": "boolean"}},
            "pictures": {
                "tile": {"size": [8, 8], "window": [0, 255]},
                "nuclei": {"size": [8, 8], "classes": ["background", "nucleus"]},
            },
        }
    }
}
TABLE = Schema.from_dict(SCHEMA).tables["tiles"]
SMALL = {
    "unet": {"width": 4, "levels": 1},
    "picture_classifier": {"width": 4},
    "denoiser": {"width": 4, "depth": 1},
}
TARGETS = {"unet": "nuclei", "pixel_segmenter": "nuclei", "picture_classifier": "ill", "denoiser": "tile"}


def model_of(name):
    options = {key: option.default for key, option in MODELS[name].options.items()} | SMALL.get(name, {})
    model = MODELS[name].configured(options)
    return model, encode(TABLE, ["tile"], TARGETS[name], model)[0]


def cases_of(encoding, n=5, seed=1, starts=(0, 2, 3)):
    made = np.random.default_rng(seed)
    tiles = made.random((n, 1, 8, 8), dtype=np.float32)
    arrays = (
        [tiles]
        if encoding.made is None or encoding.target == "tile"
        else [tiles, (tiles[:, 0] > 0.5).astype(np.uint8)]
    )
    units = np.repeat(np.arange(len(starts)), np.diff([*starts, n]))
    rows = np.stack([units, made.integers(0, 2, n)], axis=1)[:, : 1 + len(encoding.columns)]
    return encoding.picture_cases(rows, arrays)


@pytest.mark.parametrize("name", TARGETS)
def test_a_patients_gradient_is_the_same_bits_beside_any_others(name):
    model, encoding = model_of(name)
    cases = cases_of(encoding)
    point = np.random.default_rng(2).normal(0, 0.1, model.size(encoding))
    whole = model.unit_vectors(cases, point)
    for first, last in ((0, 1), (1, 3), (2, 3)):
        begin, end = cases.starts[first], [*cases.starts, 5][last]
        alone = Cases(
            matrix=cases.matrix[begin:end],
            target=cases.target[begin:end],
            starts=cases.starts[first:last] - begin,
        )
        assert (model.unit_vectors(alone, point).gradients == whole.gradients[first:last]).all()


@pytest.mark.parametrize(
    "name", sorted(set(TARGETS) - {"denoiser"})
)  # whose noise follows from the parameters
def test_the_gradient_is_that_of_finite_differences(name):
    model, encoding = model_of(name)
    model.chosen = {**model.chosen, **({"augment": 0} if "augment" in model.chosen else {})}
    cases = cases_of(encoding)
    point = np.random.default_rng(3).normal(0, 0.2, model.size(encoding))
    found = model.unit_vectors(cases, point)
    way = np.random.default_rng(4).normal(size=len(point))
    way /= np.linalg.norm(way)
    step = 1e-3
    ahead, behind = (model.unit_vectors(cases, point + sign * step * way).losses for sign in (1, -1))
    assert (found.gradients @ way) == pytest.approx((ahead - behind) / (2 * step), rel=0.05, abs=5e-3)


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["unet", "picture_classifier"]))
def test_law_no_patient_moves_the_sum_by_more_than_the_clip(seed, name):
    model, encoding = model_of(name)
    cases = cases_of(encoding, seed=seed)
    point = np.random.default_rng(seed).normal(0, 1, model.size(encoding))
    units = quantized(model.unit_vectors(cases, point).gradients, 1 / GRID, 1.0)
    assert (np.square(units.astype(object)).sum(axis=1) <= GRID**2).all()


@pytest.mark.parametrize(
    ("features", "target", "model", "words"),
    [
        (["tile"], "ill", "logistic_regression", "learns from columns"),
        (["ill"], "nuclei", "logistic_regression", "is a picture"),
        (["nuclei"], "ill", "picture_classifier", "is not a picture"),
        (["ill"], "nuclei", "unet", "is not a picture"),
        (["tile"], "ill", "unet", "must be a mask"),
        (["tile"], "nuclei", "picture_classifier", "must be categorical"),
        (["tile"], "none", "unet", "none is not a column"),
    ],
)
def test_what_does_not_fit_is_named(features, target, model, words):
    assert words in " ".join(encode(TABLE, features, target, MODELS[model])[1])


def test_only_an_enhancer_has_its_feature_as_the_target():
    TrainingTask(table="tiles", features=["tile"], target="tile", model="denoiser", epsilon=1)
    with pytest.raises(ConfigError, match="one of the features"):
        TrainingTask(table="tiles", features=["tile"], target="tile", model="unet", epsilon=1)
    with pytest.raises(ConfigError, match="gives its one feature back"):
        TrainingTask(table="tiles", features=["tile"], target="nuclei", model="denoiser", epsilon=1)


@pytest.mark.parametrize("n_axes", [2, 3])
@pytest.mark.parametrize("name", TARGETS)
def test_shapes_are_those_of_the_module_in_two_and_three_axes(name, n_axes):
    model, _ = model_of(name)
    import torch

    module = model._built(2, 2, n_axes)
    found = module(torch.zeros(1, 2, *(9, 11, 10)[:n_axes]))
    assert found.shape == ((1, 2) if name == "picture_classifier" else (1, 2, *(9, 11, 10)[:n_axes]))


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    sites = {}
    for name in ("east", "north", "west"):
        nuclei_file(folder, f"{name}.npz", n=4)
        rows = {
            "patient": [f"{name}{place // 2}" for place in range(4)],
            "ill": [place % 2 == 0 for place in range(4)],
            "tile": [f"{name}.npz#tile/{place}" for place in range(4)],
            "nuclei": [f"{name}.npz#mask/{place}" for place in range(4)],
        }
        sites[name] = pd.DataFrame(rows)
        sites[name].attrs["pictures"] = str(folder)
    policy = {"exact": True, "exact_training": "unguarded", "exact_numbers_per_population": 10**7}
    with federation.local(sites, schema=SCHEMA, policy=policy) as opened:
        yield opened


@pytest.mark.parametrize("name", TARGETS)
def test_three_sites_train_a_model_that_is_saved_and_read_back(session, tmp_path, name):
    fields = {"table": "tiles", "features": ["tile"], "target": TARGETS[name]}
    model = estimator_of(name)(epsilon=None, exact=True, rounds=2, strategy="adam", **SMALL.get(name, {}))
    task = model.task(**fields)
    assert task.mode == "exact"
    model.fit(session, **fields)
    model.save(tmp_path / "m.json")
    again = estimator_of(name).load(tmp_path / "m.json")
    pictures = np.random.default_rng(5).integers(0, 256, (3, 8, 8))
    assert (again.predict(pictures) == model.predict(pictures)).all()
    assert model.n_iter_ == 2


def test_a_private_run_over_pictures_is_charged_as_any(session):
    model = estimator_of("pixel_segmenter")(epsilon=0.25, rounds=3)
    model.fit(session, table="tiles", features=["tile"], target="nuclei")
    assert model.n_parameters_ <= 100
    assert model.epsilon_ == pytest.approx(0.25, rel=0.05)


def test_dice_and_distance_of_masks_that_are_plain_to_see():
    truth, found = np.zeros((2, 6, 6), int), np.zeros((2, 6, 6), int)
    truth[0, 1:3, 1:3], found[0, 1:3, 2:4] = 1, 1
    found[1, 0, 0] = 1  # a picture whose truth lacks the class has no Dice
    assert dice_of(found[0] == 1, truth[0] == 1) == 0.5
    assert np.isnan(dice_of(found[1] == 1, truth[1] == 1))
    assert hausdorff95(found[0] == 1, truth[0] == 1) == 1
    scores = mask_scores(found, truth, ["none", "a", "b"])
    assert scores.dice[0] == 0.5
    assert np.isnan(scores.dice[1])
    assert scores.mean_dice == 0.5
    assert scores.n.tolist() == [1, 0]
    assert scores.sensitivity[0] == 0.5
    assert scores.specificity[0] == pytest.approx(65 / 68)


def test_figures_of_enhanced_pictures():
    clean = np.random.default_rng(6).random((2, 1, 16, 16))
    assert psnr(clean + 0.1, clean) == pytest.approx(20)
    assert ssim(clean, clean) == pytest.approx(1)
    assert ssim(1 - clean, clean) < 0


def test_an_evaluation_of_masks_is_refused(session):
    with pytest.raises(ConfigError):
        TrainingTask(
            table="tiles", features=["tile"], target="nuclei", model="unet", exact=True, evaluate=[0]
        )
    assert Fraction(1) == MODELS["unet"].learning_rate


@given(st.integers(0, 7), st.integers(0, 2**32 - 1))
def test_law_a_turn_is_undone(choice, seed):
    import torch

    from federation.training.models.torch.picture_module import turn, unturned

    values = torch.from_numpy(np.random.default_rng(seed).random((2, 3, 5)))
    assert (unturned(turn(values, choice), choice) == values).all()


def test_an_enhanced_picture_turns_with_the_picture():
    model, encoding = model_of("denoiser")
    parameters = np.random.default_rng(7).normal(0, 0.1, model.size(encoding))
    picture = np.random.default_rng(8).random((1, 1, 8, 8), dtype=np.float32)
    one, two = (
        model.predict(encoding, parameters, each) for each in (picture, np.rot90(picture, axes=(2, 3)))
    )
    np.testing.assert_allclose(np.rot90(one, axes=(2, 3)), two, atol=1e-6)


def test_a_picture_too_small_for_the_levels_is_refused_before_any_charge():
    """After the charge nothing fails by data or by sizes (P19)."""
    model = MODELS["picture_classifier"].configured(
        {key: option.default for key, option in MODELS["picture_classifier"].options.items()} | {"levels": 4}
    )
    small = {
        "tiles": {**SCHEMA["tables"]["tiles"], "pictures": {"tile": {"size": [4, 4], "window": [0, 255]}}}
    }
    table = Schema.from_dict({"tables": small}).tables["tiles"]
    encoding = encode(table, ["tile"], "ill", model)[0]
    with pytest.raises(InvalidRequestError, match="too small for so many levels"):
        model.check_site(encoding)
