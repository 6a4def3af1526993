"""Spacing, size and window against numbers that are plain to see, and laws over random pictures."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.schema.pictures import Picture
from analytics.sources.images.headers import looks_written
from analytics.sources.images.preparing import check_over, flattened, prepared_mask, prepared_picture
from analytics.sources.images.raster import PictureError, Raster


def declared(**fields):
    return Picture(**{"name": "a", "size": (4, 4), "windows": ((Fraction(0), Fraction(200)),)} | fields)


def raster(values, **fields):
    return Raster(pixels=np.asarray(values, np.float32)[..., None], **fields)


def test_the_window_is_cut_at_both_ends():
    values = np.array([[-50.0, 0, 50, 100], [150, 200, 250, 1e6]] * 2)
    found = prepared_picture(raster(values), declared())
    assert found.shape == (1, 4, 4)
    assert found[0, :2].tolist() == [[0, 0, 0.25, 0.5], [0.75, 1, 1, 1]]


def test_spacing_brings_a_picture_to_the_shared_grid():
    values = np.repeat(np.repeat([[0.0, 100], [100, 200]], 2, axis=0), 2, axis=1)
    fine = raster(values, spacing=(0.5, 0.5))
    found = prepared_picture(fine, declared(size=(2, 2), spacing=(Fraction(1), Fraction(1))))
    assert found.mean() == pytest.approx(0.5, abs=1e-6)
    assert found[0, 0, 0] < found[0, 0, 1] < found[0, 1, 1]
    coarse = raster([[0.0, 200], [0, 200]], spacing=(2.0, 2.0))
    wide = prepared_picture(coarse, declared(spacing=(Fraction(1), Fraction(1))))
    assert wide.shape == (1, 4, 4)
    assert (np.diff(wide[0], axis=1) >= 0).all()


def test_the_centre_is_cut_or_filled():
    inner = np.full((2, 6), 200.0)
    found = prepared_picture(
        raster(inner), declared(fit="centre", windows=((Fraction(-100), Fraction(200)),))
    )
    assert found[0].tolist() == [[0] * 4, [1] * 4, [1] * 4, [0] * 4]


def test_another_size_is_refused_where_none_may_change():
    with pytest.raises(PictureError, match="3 x 4 pixels where the schema has 4 x 4"):
        prepared_picture(raster(np.zeros((3, 4))), declared())


def test_colour_among_grey_is_refused():
    with pytest.raises(PictureError, match="3 channels where the schema has 1"):
        prepared_picture(Raster(pixels=np.zeros((4, 4, 3), np.float32)), declared())


def test_a_spacing_that_a_file_does_not_say_is_refused():
    with pytest.raises(PictureError, match="distance between its pixels"):
        prepared_picture(raster(np.zeros((4, 4))), declared(spacing=(Fraction(1), Fraction(1))))


@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_law_a_mask_never_gets_a_class_that_its_file_does_not_have(rows, columns, seed):
    values = np.random.default_rng(seed).integers(0, 4, (rows, columns))
    mask = declared(windows=(), classes=("none", "a", "b", "c"), fit="resize")
    found = prepared_mask(raster(values), mask)
    assert set(found.ravel()) <= set(values.ravel())


@pytest.mark.parametrize("values", [[[0.5]], [[-1.0]], [[2.0]]])
def test_a_mask_with_other_values_is_refused(values):
    with pytest.raises(PictureError, match="no class"):
        prepared_mask(raster(values), declared(size=(1, 1), windows=(), classes=("none", "a")))


def test_a_scaled_label_of_nearly_one_is_one():
    found = prepared_mask(raster([[0.9999961]]), declared(size=(1, 1), windows=(), classes=("none", "a")))
    assert found.tolist() == [[1]]


def test_a_mask_of_another_size_or_place_is_refused():
    with pytest.raises(PictureError, match="another size"):
        check_over(raster(np.zeros((4, 4))), raster(np.zeros((4, 5))))
    with pytest.raises(PictureError, match="another place"):
        check_over(raster(np.zeros((2, 2)), places=(0.0, 1.0)), raster(np.zeros((2, 2)), places=(0.0, 2.0)))


@given(st.integers(0, 2**32 - 1))
def test_law_flattening_keeps_the_mean_and_lessens_a_slow_change(seed):
    made = np.random.default_rng(seed)
    slope = np.linspace(1, 3, 32)[:, None] * np.ones((32, 32))
    values = (slope * (50 + made.random((32, 32)))).astype(np.float32)
    found = flattened(values)
    assert found.mean() == pytest.approx(values.mean(), rel=1e-4)
    assert found[-8:].mean() / found[:8].mean() < 0.8 * values[-8:].mean() / values[:8].mean()


def test_writing_is_found_and_smooth_pictures_are_not():
    made = np.random.default_rng(1)
    smooth = np.add.outer(np.arange(128.0), np.arange(128.0))[..., None] + made.random((128, 128, 1))
    assert not looks_written(smooth.astype(np.float32))
    written = smooth.copy()
    written[4:14, 8:100:4] = written.max() * 3
    assert looks_written(written.astype(np.float32))
